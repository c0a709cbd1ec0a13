//! Tests of the programs that run on the nodes, with the Python of this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jeroboam_driver::{Authority, CertificateRequest, Certificates};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use jeroboam_blueprint::testkit::{Answers, Requests, certificates, socket_server};

/// A node with its files in a directory of its own and a Docker that answers from a table.
struct TestNode {
    directory: tempfile::TempDir,
    address: SocketAddr,
    requests: Requests,
    program: Option<Child>,
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(program) = &mut self.program {
            drop(program.kill());
            drop(program.wait());
        }
    }
}

/// An address of the loopback network that no other test has.
fn address(host: u8) -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    let listener = TcpListener::bind((Ipv4Addr::new(127, high, low, host), 0)).unwrap();
    listener.local_addr().unwrap()
}

impl TestNode {
    fn new(role: &str, address: SocketAddr, managers: &[SocketAddr], docker: Answers) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let ip = address.ip().to_string();
        let pair = pair(Authority::Node, &[&format!("swarm:{role}")], &ip);
        let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
        write("node.pem", &pair.0);
        write("node-key.pem", &pair.1);
        write("node-ca.pem", &certificates().authority(Authority::Node).unwrap());
        let managers: Vec<_> = managers.iter().map(|manager| manager.ip().to_string()).collect();
        let settings = json!({
            "role": role,
            "host_name": "demo-node",
            "address": ip,
            "managers": managers,
            "first": role == "manager",
            "first_waits_secs": 0.1,
            // Every manager of a test listens on the same port.
            "join_port": address.port(),
            "tls_directory": path,
            "docker_socket": path.join("docker.sock"),
            "metadata_service": null,
            "console": "/dev/null",
            "docker": {},
            "docker_volume": null,
            "bootstrap": null,
        });
        write("node.json", &settings.to_string());
        let requests = socket_server(&path.join("docker.sock"), docker);
        Self {
            directory,
            address,
            requests,
            program: None,
        }
    }

    fn command(&self, program: &str) -> Command {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/node")
            .join(program);
        let mut command = Command::new("python3");
        command.args(["-ESsB".as_ref(), source.as_os_str()]);
        command.arg(self.directory.path().join("node.json"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts handing out tokens, and waits until the port is open.
    fn serve(mut self) -> Self {
        self.program = Some(self.command("tokens.py").spawn().unwrap());
        let give_up = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < give_up, "nothing listens on {}", self.address);
            std::thread::yield_now();
        }
        self
    }

    /// Runs the node's own program to its end.
    fn join(&self) -> Output {
        self.command("member.py").output().unwrap()
    }

    /// What was posted to Docker.
    fn posted(&self) -> Vec<(String, Value)> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(what, _)| what.starts_with("POST"))
            .cloned()
            .collect()
    }
}

/// Certificate and key, PEM.
fn pair(signer: Authority, organizations: &[&str], address: &str) -> (String, String) {
    let request = CertificateRequest {
        common_name: "demo-node".into(),
        organizations: organizations.iter().map(|name| (*name).to_owned()).collect(),
        addresses: vec![address.into()],
        names: vec![],
        server: true,
        client: true,
        days: None,
    };
    let pair = certificates().issue(signer, &request).unwrap();
    (pair.certificate, pair.key.expose_secret().to_owned())
}

fn docker(state: &str) -> Answers {
    let info = json!({"Swarm": {
        "LocalNodeState": state,
        "ControlAvailable": state == "active",
        "RemoteManagers": [{"NodeID": "x", "Addr": "10.0.0.5:2377"}],
    }});
    Answers::from([
        ("GET /version".into(), (200, json!({"Version": "20.10.24"}))),
        ("GET /info".into(), (200, info)),
        (
            "GET /swarm".into(),
            (
                200,
                json!({"JoinTokens": {"Manager": "TOKEN-M", "Worker": "TOKEN-W"}}),
            ),
        ),
        ("POST /swarm/join".into(), (200, Value::Null)),
        ("POST /swarm/init".into(), (200, json!("node-id"))),
    ])
}

/// Asks for a token with a certificate, or without one.
async fn ask_token(manager: &TestNode, path: &str, shown: Option<(String, String)>) -> Option<(u16, Value)> {
    let authority = certificates().authority(Authority::Node).unwrap();
    let mut client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.as_bytes()).unwrap()])
        .no_proxy();
    if let Some((certificate, key)) = shown {
        client =
            client.identity(reqwest::Identity::from_pem(format!("{certificate}\n{key}").as_bytes()).unwrap());
    }
    let answer = client
        .build()
        .unwrap()
        .get(format!("https://{}{path}", manager.address))
        .send()
        .await
        .ok()?;
    Some((answer.status().as_u16(), answer.json().await.unwrap()))
}

#[tokio::test]
async fn a_token_is_for_the_role_of_the_certificate_and_for_nobody_without_one() {
    let own = address(1);
    let manager = TestNode::new("manager", own, &[own], docker("active")).serve();
    let worker = ask_token(
        &manager,
        "/token",
        Some(pair(Authority::Node, &["swarm:worker"], "10.0.0.6")),
    )
    .await;
    assert_eq!(
        worker,
        Some((200, json!({"token": "TOKEN-W", "managers": ["10.0.0.5:2377"]})))
    );
    let other = ask_token(
        &manager,
        "/token",
        Some(pair(Authority::Node, &["swarm:manager"], "10.0.0.7")),
    )
    .await;
    assert_eq!(other.unwrap().1["token"], "TOKEN-M");

    assert_eq!(ask_token(&manager, "/token", None).await, None);
    let stranger = pair(Authority::Cluster, &["swarm:manager"], "10.0.0.8");
    assert_eq!(ask_token(&manager, "/token", Some(stranger)).await, None);
    for organizations in [&["swarm:manager", "swarm:worker"][..], &["system:masters"], &[]] {
        let shown = pair(Authority::Node, organizations, "10.0.0.9");
        assert_eq!(
            ask_token(&manager, "/token", Some(shown)).await.unwrap().0,
            403,
            "{organizations:?}"
        );
    }
    let worker = pair(Authority::Node, &["swarm:worker"], "10.0.0.6");
    assert_eq!(ask_token(&manager, "/", Some(worker)).await.unwrap().0, 404);
}

#[tokio::test]
async fn a_manager_outside_of_a_swarm_hands_out_nothing() {
    let own = address(1);
    let manager = TestNode::new("manager", own, &[own], docker("inactive")).serve();
    let worker = pair(Authority::Node, &["swarm:worker"], "10.0.0.6");
    let (status, answer) = ask_token(&manager, "/token", Some(worker)).await.unwrap();
    assert_eq!(
        (status, answer),
        (503, json!({"error": "this manager is in no swarm"}))
    );
}

#[test]
fn a_worker_joins_with_the_token_that_a_manager_gives_it() {
    let own = address(1);
    let manager = TestNode::new("manager", own, &[own], docker("active")).serve();
    let address = SocketAddr::new(address(2).ip(), own.port());
    let worker = TestNode::new("worker", address, &[own], docker("inactive"));
    let output = worker.join();
    assert!(output.status.success(), "{output:?}");
    let listen = format!("{}:2377", address.ip());
    let body = json!({
        "ListenAddr": listen, "AdvertiseAddr": listen, "RemoteAddrs": ["10.0.0.5:2377"], "JoinToken": "TOKEN-W",
    });
    assert_eq!(worker.posted(), [("POST /swarm/join".into(), body)]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("TOKEN"));
    assert!(manager.posted().is_empty());
}

#[test]
fn the_first_manager_starts_a_swarm_only_when_no_other_manager_has_one() {
    let (own, other) = (address(1), address(2).ip());
    let other = SocketAddr::new(other, own.port());
    let alone = TestNode::new("manager", own, &[own, other], docker("inactive"));
    assert!(alone.join().status.success());
    let posted = alone.posted();
    assert_eq!((posted.len(), posted[0].0.as_str()), (1, "POST /swarm/init"));
    assert_eq!(posted[0].1["AdvertiseAddr"], format!("{}:2377", own.ip()));
    assert_eq!(posted[0].1["SubnetSize"], 24);

    let _living = TestNode::new("manager", other, &[own, other], docker("active")).serve();
    let rebuilt = TestNode::new("manager", own, &[own, other], docker("inactive"));
    assert!(rebuilt.join().status.success());
    let posted = rebuilt.posted();
    assert_eq!((posted.len(), posted[0].0.as_str()), (1, "POST /swarm/join"));
    assert_eq!(posted[0].1["JoinToken"], "TOKEN-M");
}

#[test]
fn a_node_of_a_swarm_stays_as_it_is() {
    let own = address(1);
    let node = TestNode::new("manager", own, &[own], docker("active"));
    assert!(node.join().status.success());
    assert!(node.posted().is_empty());
}

/// Answers like the service: whole once it was asked twice, and 404 when the token was given back.
const ENDPOINT: &str = r#"
import base64, http.server, json, ssl, sys
directory, target = sys.argv[1:]
asked = []
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())
    def do_POST(self):
        asked.append("POST")
        if self.path != "/v1/node-secrets" or self.headers["Authorization"] != "Bearer the token" or "DELETE" in asked:
            return self.answer(404, "")
        text = "%s/tls/node.pem %s\n" % (target, base64.b64encode(b"certificate").decode())
        if asked.count("POST") > 1:
            text += "%s/tls/node-key.pem %s\nend\n" % (target, base64.b64encode(b"key").decode())
        self.answer(200, text)
    def do_DELETE(self):
        asked.append("DELETE")
        self.answer(204, "")
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(directory + "/server.pem", directory + "/server-key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// Fetches as `prepare.py` does before Docker starts, and tells whether the keys are there.
const FETCHES: &str = r#"
import json, sys
sys.path.insert(0, sys.argv[2])
import console, fetch
node = json.load(open(sys.argv[1]))
console.persist(lambda: fetch.fetch(node), longest_secs=0.01)
fetch.fetch(node)
fetch.await_keys(node)
"#;

#[test]
fn a_node_fetches_its_keys_whole_and_gives_its_token_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    let request = CertificateRequest {
        common_name: "endpoint".into(),
        organizations: vec![],
        addresses: vec!["127.0.0.1".into()],
        names: vec![],
        server: true,
        client: false,
        days: None,
    };
    let own = certificates().issue(Authority::Cluster, &request).unwrap();
    write("server.pem", &own.certificate);
    write("server-key.pem", own.key.expose_secret());
    write(
        "bootstrap.crt",
        &certificates().authority(Authority::Cluster).unwrap(),
    );
    write("bootstrap.token", "the token\n");
    let mut endpoint = Command::new("python3");
    endpoint.args(["-c", ENDPOINT]).arg(path).arg(path);
    let mut endpoint = endpoint.stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    let mut said = std::io::BufReader::new(endpoint.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut port).unwrap();
    let settings = json!({
        "tls_directory": path.join("tls"),
        "bootstrap": {"url": format!("https://127.0.0.1:{}", port.trim()), "directory": path},
    });
    write("node.json", &settings.to_string());
    let mut fetches = Command::new("python3");
    fetches.args(["-B", "-c", FETCHES]).arg(path.join("node.json"));
    fetches.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node"));
    let output = fetches.output().unwrap();
    endpoint.kill().unwrap();
    endpoint.wait().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    // Half of the keys is none.
    assert!(said.contains("no keys yet: the service answers 200"), "{said}");
    assert!(said.contains("this node has its keys"), "{said}");
    assert_eq!(
        std::fs::read_to_string(path.join("tls/node-key.pem")).unwrap(),
        "key"
    );
    assert!(!path.join("bootstrap.token").exists() && path.join("bootstrap.done").exists());
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path.join("tls/node-key.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
