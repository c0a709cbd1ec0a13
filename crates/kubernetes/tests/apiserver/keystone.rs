//! Login with tokens of Keystone: an API server that is told what a master's is, a Keystone that answers over HTTP, and
//! between them the webhook. That is k8s-keystone-auth itself where `E2E_KEYSTONE_AUTH` names the program, with the
//! arguments of the add-on; else one that keeps to the same protocol and reads the same policy.

use std::io::Read;
use std::net::TcpListener;

use jeroboam_driver::{DriverError, KeyPair, NodeAsk, TokenKeys};
use jeroboam_simcloud::SimCloud;
use reqwest::StatusCode;
use tokio::runtime::Handle;

use super::*;

const NAME: &str = "keystone-auth";

/// What a cluster's certificates are for all authorities.
struct Everything;

impl Certificates for Everything {
    fn authority(&self, _: Authority) -> Result<String, DriverError> {
        testkit::certificates().authority(Authority::Cluster)
    }

    fn issue(&self, _: Authority, request: &CertificateRequest) -> Result<KeyPair, DriverError> {
        testkit::certificates().issue(Authority::Cluster, request)
    }

    fn signer(&self, _: Authority) -> Result<KeyPair, DriverError> {
        Ok(KeyPair {
            certificate: self.authority(Authority::Cluster)?,
            key: "unused".to_owned().into(),
        })
    }

    fn token_keys(&self) -> Result<TokenKeys, DriverError> {
        Ok(TokenKeys {
            public: "unused".into(),
            private: "unused".to_owned().into(),
            id: "unused".into(),
        })
    }
}

/// Files of the first master, by path.
fn master(driver: &KubernetesDriver, ask: &Ask) -> BTreeMap<String, String> {
    let mut made = Made::default();
    for (place, resource) in driver.graph(ask).unwrap().iter().enumerate() {
        let facts = BTreeMap::from([("address".to_owned(), json!(format!("10.0.0.{place}")))]);
        let id = format!("{place:08}-1111-2222-3333-444444444444");
        made.0.insert(resource.key.clone(), MadeResource { id, facts });
    }
    let server = Key::new("server", "master-0");
    let node = NodeAsk {
        ask,
        server: &server,
        host_name: "demo-master-0",
        made: &made,
        certificates: &Everything,
        bootstrap: None,
    };
    let written = driver.user_data(&node).unwrap();
    let mut user_data = String::new();
    let mut reader: Box<dyn Read> = match written.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(flate2::read::GzDecoder::new(written.as_slice())),
        false => Box::new(written.as_slice()),
    };
    reader.read_to_string(&mut user_data).unwrap();
    let config: Value = serde_json::from_str(user_data.strip_prefix("#cloud-config\n").unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let files = config["write_files"].as_array().unwrap().iter();
    files
        .map(|file| (text(&file["path"]), text(&file["content"])))
        .collect()
}

/// Arguments that kubeadm is told to start the API server with, besides its own.
fn api_arguments(files: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let documents = files["/etc/jeroboam/init.yaml"].split("---\n");
    let documents = documents.map(|text| serde_json::from_str::<Value>(text).unwrap());
    let cluster = documents.filter(|document| document["kind"] == "ClusterConfiguration");
    let cluster = cluster.last().unwrap();
    let arguments = cluster["apiServer"]["extraArgs"].as_object().unwrap();
    arguments
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// A token of a user for a project.
async fn token(cloud: &SimCloud, user: &str, project: &str) -> String {
    let domain = json!({"id": "default"});
    let body = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": "secret"}}},
        "scope": {"project": {"name": project, "domain": domain}},
    }});
    let url = format!("{}/auth/tokens", cloud.auth_url());
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    answer.headers()["x-subject-token"].to_str().unwrap().to_owned()
}

/// A caller of the cluster's API with a token.
struct Caller {
    client: reqwest::Client,
    address: String,
    token: String,
}

impl Caller {
    fn new(house: &House, token: &str) -> Self {
        let authority = testkit::certificates().authority(Authority::Cluster).unwrap();
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]);
        Self {
            client: client.build().unwrap(),
            address: house.access.address.clone(),
            token: token.to_owned(),
        }
    }

    async fn get(&self, path: &str) -> StatusCode {
        let url = format!("{}/{path}", self.address);
        let call = self.client.get(url).bearer_auth(&self.token);
        call.send().await.unwrap().status()
    }

    async fn create(&self, path: &str, body: Value) -> StatusCode {
        let url = format!("{}/{path}", self.address);
        let call = self.client.post(url).bearer_auth(&self.token).json(&body);
        call.send().await.unwrap().status()
    }
}

/// What the webhook of the add-on is started with.
struct Start {
    arguments: Vec<String>,
    port: u16,
    policy: PathBuf,
    pair: KeyPair,
}

/// The program itself, or one like it; it ends with what this gives.
fn start_webhook(house: &House, start: Start) -> Option<Process> {
    if let Ok(program) = std::env::var("E2E_KEYSTONE_AUTH") {
        let log = house.directory.path().join("keystone-auth.log");
        return Some(super::start(Path::new(&program), log, &start.arguments));
    }
    let url = start
        .arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--keystone-url="));
    let url = url.unwrap().to_owned();
    let policy: Value = serde_json::from_str(&std::fs::read_to_string(&start.policy).unwrap()).unwrap();
    let (client, handle) = (reqwest::Client::new(), Handle::current());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, start.port)).unwrap();
    testkit::tls_server_for_all(listener, &start.pair, move |_, question| {
        let version = question["apiVersion"].as_str().unwrap_or_default();
        assert!(version.ends_with(".k8s.io/v1beta1"), "{question}");
        match question["kind"].as_str() {
            Some("TokenReview") => {
                let token = question["spec"]["token"].as_str().unwrap();
                let known = handle.block_on(look_up(&client, &url, token));
                let status = match known {
                    Some(user) => json!({"authenticated": true, "user": user}),
                    None => json!({"authenticated": false}),
                };
                let code = if status["authenticated"] == true { 200 } else { 401 };
                (code, answer(&question, status))
            }
            _ => {
                let spec = &question["spec"];
                let entries = policy.as_array().unwrap();
                let allowed = entries.iter().any(|entry| allows(entry, spec));
                (200, answer(&question, json!({ "allowed": allowed })))
            }
        }
    });
    None
}

fn answer(question: &Value, status: Value) -> Value {
    json!({"apiVersion": question["apiVersion"], "kind": question["kind"], "status": status})
}

/// Who a token is of, as k8s-keystone-auth tells the API server.
async fn look_up(client: &reqwest::Client, url: &str, token: &str) -> Option<Value> {
    let call = client
        .get(format!("{url}/auth/tokens"))
        .header("X-Auth-Token", token)
        .header("X-Subject-Token", token);
    let answer = call.send().await.ok()?.error_for_status().ok()?;
    let body: Value = answer.json().await.ok()?;
    let (user, project) = (&body["token"]["user"], &body["token"]["project"]);
    let roles: Vec<&Value> = body["token"]["roles"]
        .as_array()?
        .iter()
        .map(|role| &role["name"])
        .collect();
    let extra = |name: &str| format!("alpha.kubernetes.io/identity/{name}");
    Some(json!({
        "username": user["name"],
        "uid": user["id"],
        "groups": [project["id"]],
        "extra": {
            extra("roles"): roles,
            extra("project/id"): [project["id"]],
            extra("project/name"): [project["name"]],
        },
    }))
}

/// Whether an entry of the first version allows a request.
fn allows(entry: &Value, spec: &Value) -> bool {
    let has = |list: &Value, wanted: &str| {
        let mut items = list.as_array().unwrap().iter();
        items.any(|item| item == "*" || item == wanted)
    };
    let matches = |condition: &Value| {
        let names: &[&str] = match condition["type"].as_str() {
            Some("role") => &["roles"],
            Some("project") => &["project/id", "project/name"],
            other => panic!("{other:?}"),
        };
        let own = names.iter().filter_map(|name| {
            let key = format!("alpha.kubernetes.io/identity/{name}");
            spec["extra"].get(key)?.as_array()
        });
        own.flatten()
            .any(|own| has(&condition["values"], own.as_str().unwrap()))
    };
    let Some(conditions) = entry["match"].as_array() else {
        return false;
    };
    if !conditions.iter().all(matches) {
        return false;
    }
    let text = |attributes: &Value, name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
    match (spec.get("resourceAttributes"), entry.get("resource")) {
        (Some(asked), Some(rule)) => {
            let (resource, sub) = (text(asked, "resource"), text(asked, "subresource"));
            let name = match sub.is_empty() {
                true => resource,
                false => format!("{resource}/{sub}"),
            };
            has(&rule["verbs"], &text(asked, "verb")) && has(&rule["resources"], &name)
        }
        (None, None) => has(
            &entry["nonresource"]["verbs"],
            &text(&spec["nonResourceAttributes"], "verb"),
        ),
        _ => false,
    }
}

/// kubectl with what `openstack coe cluster config --use-keystone` writes.
fn kubectl(house: &House, token: &str, arguments: &str) -> std::process::Output {
    let authority = testkit::certificates().authority(Authority::Cluster).unwrap();
    let path = house.directory.path().join("config");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "demo", "cluster": {
            "certificate-authority-data": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, authority),
            "server": house.access.address,
        }}],
        "contexts": [{"name": "c", "context": {"cluster": "demo", "user": "openstackuser"}}],
        "current-context": "c",
        "users": [{"name": "openstackuser", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "/bin/bash",
            "args": ["-c", "echo '{ \"apiVersion\": \"client.authentication.k8s.io/v1beta1\", \"kind\": \
                \"ExecCredential\", \"status\": { \"token\": \"'\"${OS_TOKEN}\"'\"}}'"],
        }}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let command = Command::new(programs().join("kubectl"))
        .args(arguments.split(' '))
        .env("KUBECONFIG", path)
        .env("HOME", house.directory.path())
        .env("OS_TOKEN", token)
        .output();
    command.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_get_in_with_tokens_others_do_not_and_certificates_work_without_the_webhook() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keystone = SimCloud::start(jeroboam_simcloud::Options::default())
        .await
        .unwrap();
    let project = keystone
        .with_world(|world| world.keystone.project_named("demo"))
        .unwrap();
    let driver = KubernetesDriver::default();
    let mut wish = ask(&[("keystone_auth_enabled", "true")]);
    wish.resolved.defaults.add_ons.clear();
    wish.cluster.project_id = project.as_str().into();
    let files = master(&driver, &wish);
    let port = free_port();
    let house = House::build_with(|directory| {
        let own = |text: &str| {
            let text = text.replace("/etc/kubernetes/pki", &directory.display().to_string());
            text.replace("127.0.0.1:10261", &format!("127.0.0.1:{port}"))
        };
        let arguments = api_arguments(&files).into_iter().map(|(name, value)| {
            let Some(content) = files.get(&value) else {
                return format!("--{name}={value}");
            };
            let path = directory.join(value.rsplit('/').next().unwrap());
            std::fs::write(&path, own(content)).unwrap();
            format!("--{name}={}", path.display())
        });
        arguments.collect()
    })
    .await;
    let [member, reader, stranger] = [
        token(&keystone, "demo", "demo").await,
        token(&keystone, "demo_reader", "demo").await,
        token(&keystone, "alt_demo", "alt_demo").await,
    ];

    // The API is ready, and certificates work, before there is a webhook; tokens do not.
    assert!(house.exists("api/v1/nodes").await);
    let early = Caller::new(&house, &token(&keystone, "demo", "demo").await);
    assert_eq!(early.get("api/v1/nodes").await, StatusCode::UNAUTHORIZED);
    let health = Caller::new(&house, "");
    assert_eq!(health.get("readyz").await, StatusCode::OK);
    // Nobody knows whether it is allowed.
    assert_eq!(
        health.get("api/v1/nodes").await,
        StatusCode::INTERNAL_SERVER_ERROR
    );

    // The add-on as the cluster gets it.
    let revision = add_ons(&driver, &wish).remove(NAME).unwrap();
    let asked = AddOnAsk {
        ask: &wish,
        made: &made(),
        name: NAME,
        revision: &revision,
        auth_url: Some(&keystone.auth_url()),
        cloud: None,
        service: None,
    };
    let state = driver.apply_add_on(&asked, &house.access).await;
    assert_eq!(state, AddOnState::NotYet("applied".into()));
    let system = "namespaces/kube-system";
    let policy = house
        .read(&format!("api/v1/{system}/configmaps/k8s-keystone-auth-policy"))
        .await;
    let daemon_set = house
        .read(&format!("apis/apps/v1/{system}/daemonsets/k8s-keystone-auth"))
        .await;
    let directory = house.directory.path();
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let tls = "/etc/jeroboam/keystone-auth";
    let pair = KeyPair {
        certificate: files[&format!("{tls}/tls.crt")].clone(),
        key: files[&format!("{tls}/tls.key")].clone().into(),
    };
    write("tls.crt", &pair.certificate);
    write("tls.key", pair.key.expose_secret());
    let policy = write("policies", policy["data"]["policies"].as_str().unwrap());
    let arguments = &daemon_set["spec"]["template"]["spec"]["containers"][0]["args"];
    let own = |text: &str| {
        let text = text.replace(tls, &directory.display().to_string());
        let text = text.replace("/etc/keystone-auth", &directory.display().to_string());
        text.replace(":10261", &format!(":{port}"))
    };
    let start = Start {
        arguments: arguments
            .as_array()
            .unwrap()
            .iter()
            .map(|one| own(one.as_str().unwrap()))
            .collect(),
        port,
        policy,
        pair,
    };
    let _webhook = start_webhook(&house, start);

    let member = Caller::new(&house, &member);
    let begun = Instant::now();
    while member.get("api/v1/nodes").await != StatusCode::OK {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the webhook lets nobody in"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let namespace = json!({"metadata": {"name": "own"}});
    assert_eq!(
        member.create("api/v1/namespaces", namespace.clone()).await,
        StatusCode::CREATED
    );
    assert_eq!(member.get("api/v1/secrets").await, StatusCode::OK);
    assert_eq!(member.get("metrics").await, StatusCode::OK);

    let reader = Caller::new(&house, &reader);
    for allowed in [
        "api/v1/pods",
        "api/v1/nodes",
        "apis/apps/v1/namespaces/own/deployments",
        "version",
    ] {
        assert_eq!(reader.get(allowed).await, StatusCode::OK, "{allowed}");
    }
    for refused in [
        "api/v1/secrets",
        "api/v1/namespaces/own/pods/p/exec?command=sh",
        "api/v1/nodes/n/proxy/run",
        "metrics",
    ] {
        assert_eq!(reader.get(refused).await, StatusCode::FORBIDDEN, "{refused}");
    }
    assert_eq!(
        reader.create("api/v1/namespaces", namespace.clone()).await,
        StatusCode::FORBIDDEN
    );

    // A token of another project is known, and may do nothing.
    let stranger = Caller::new(&house, &stranger);
    for refused in [
        "api/v1/pods",
        "api/v1/namespaces",
        "api/v1/secrets",
        "api/v1/nodes",
        "metrics",
    ] {
        assert_eq!(stranger.get(refused).await, StatusCode::FORBIDDEN, "{refused}");
    }
    assert_eq!(
        stranger.create("api/v1/namespaces", namespace).await,
        StatusCode::FORBIDDEN
    );
    let nobody = Caller::new(&house, "no token of anybody");
    assert_eq!(nobody.get("api/v1/pods").await, StatusCode::UNAUTHORIZED);

    // As tenants do it.
    let seen = kubectl(&house, &member.token, "get namespace own -o name");
    assert_eq!(
        String::from_utf8_lossy(&seen.stdout),
        "namespace/own\n",
        "{seen:?}"
    );
    let refused = kubectl(&house, &stranger.token, "get namespaces");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("Forbidden"),
        "{refused:?}"
    );
}
