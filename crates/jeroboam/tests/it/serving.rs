//! How the service listens, logs, counts and tells the service manager of itself.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jeroboam_pki::{Authority, LeafRequest, Purpose, RsaBits, Validity};
use jeroboam_simcloud::Service;
use jeroboam_simcloud::faults::{Effect, Match, Rule};
use rustix::process::Signal;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::rig::{Rig, free_port, http};

fn authority() -> Authority {
    Authority::generate("test", Purpose::Cluster, RsaBits::Rsa2048, validity()).unwrap()
}

fn validity() -> Validity {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    Validity::days(i64::try_from(now).unwrap(), 1)
}

/// Writes a certificate for this machine and its key.
fn write_certificate(authority: &Authority, directory: &Path) -> (PathBuf, PathBuf) {
    let issued = authority
        .issue(&LeafRequest {
            common_name: "api".to_owned(),
            organizations: Vec::new(),
            dns: Vec::new(),
            ips: vec![[127, 0, 0, 1].into()],
            server: true,
            client: false,
            validity: validity(),
        })
        .unwrap();
    let (certificate, key) = (directory.join("api.pem"), directory.join("api.key"));
    std::fs::write(&key, issued.key_pem.expose_secret()).unwrap();
    std::fs::write(&certificate, issued.certificate_pem).unwrap();
    (certificate, key)
}

/// A client that trusts one authority alone.
fn trusting(authority: &Authority) -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(authority.certificate_pem.as_bytes()).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_client_speaks_tls_with_an_own_authority_and_the_certificate_can_change() {
    let directory = tempfile::tempdir().unwrap();
    let first = authority();
    let (certificate, key) = write_certificate(&first, directory.path());
    let metrics = free_port();
    let more = format!(
        "[metrics]\nlisten = 127.0.0.1:{metrics}\n[api]\nenabled_ssl = true\nssl_cert_file = {}\nssl_key_file = {}\n",
        certificate.display(),
        key.display()
    );
    let mut rig = Rig::prepare(&more, "https", trusting(&first)).await;
    rig.start_service().await;
    let root: serde_json::Value = trusting(&first)
        .get(rig.url("/"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let href = root["versions"][0]["links"][0]["href"].as_str().unwrap();
    assert_eq!(href, rig.url("/v1/"));
    let plain = http().get(rig.url("/").replace("https", "http")).send().await;
    assert!(plain.is_err(), "plain HTTP is answered");
    assert!(
        http().get(rig.url("/")).send().await.is_err(),
        "nobody else's authority"
    );

    let pem = directory.path().join("ca.pem");
    std::fs::write(&pem, &first.certificate_pem).unwrap();
    let arguments = ["coe", "cluster", "list", "-f", "json"];
    let output = rig.openstack_with("demo", "demo", &arguments, Some(&pem)).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "[]");

    let scrape = http()
        .get(format!("http://127.0.0.1:{metrics}/metrics"))
        .send()
        .await
        .unwrap();
    let text = scrape.text().await.unwrap();
    let name = "jeroboam_tls_certificate_not_after_timestamp_seconds ";
    let end = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    assert_eq!(
        end.parse::<i64>().unwrap(),
        jeroboam_pki::not_after(&std::fs::read_to_string(&certificate).unwrap()).unwrap()
    );

    // A key that does not fit is refused, and the old certificate serves on.
    let second = authority();
    std::fs::write(&key, "nonsense").unwrap();
    rig.signal(Signal::HUP);
    rig.wait_text(&rig.log(), "the old one serves on").await;
    assert!(trusting(&first).get(rig.url("/")).send().await.is_ok());
    write_certificate(&second, directory.path());
    rig.signal(Signal::HUP);
    rig.wait_text(&rig.log(), "the certificate was read again").await;
    assert!(trusting(&second).get(rig.url("/")).send().await.is_ok());
    assert!(trusting(&first).get(rig.url("/")).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_endpoint_reads_its_certificate_again_while_they_trust_the_same_authority() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority();
    let (certificate, key) = write_certificate(&authority, directory.path());
    let trusted = directory.path().join("trusted.pem");
    std::fs::write(&trusted, &authority.certificate_pem).unwrap();
    let endpoint = format!("127.0.0.1:{}", free_port());
    let more = format!(
        "[bootstrap]\nurl = https://{endpoint}\nlisten = {endpoint}\ncert_file = {}\nkey_file = {}\ntrust_file = {}\n",
        certificate.display(),
        key.display(),
        trusted.display()
    );
    let mut rig = Rig::prepare(&more, "http", http()).await;
    rig.start_service().await;
    let shown = async || {
        let client = reqwest::Client::builder().tls_info(true);
        let ca = reqwest::Certificate::from_pem(authority.certificate_pem.as_bytes()).unwrap();
        let client = client.tls_certs_only([ca]).build().unwrap();
        let answer = client.post(format!("https://{endpoint}/v1/node-secrets")).send();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 404, "without a token");
        let info: &reqwest::tls::TlsInfo = answer.extensions().get().unwrap();
        info.peer_certificate().unwrap().to_vec()
    };
    let before = shown().await;
    write_certificate(&authority, directory.path());
    rig.signal(Signal::HUP);
    rig.wait_text(
        &rig.log(),
        "the certificate of the nodes' endpoint was read again",
    )
    .await;
    assert_ne!(shown().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_in_words_that_the_openstack_client_shows() {
    let rig = Rig::start().await;
    rig.demo(&["coe", "cluster", "list"]).await;
    let matches = Match {
        service: Some(Service::Identity),
        method: Some("GET".to_owned()),
        path: Some("/v3/auth/tokens".to_owned()),
        ..Match::default()
    };
    let down = Effect::Status {
        status: 503,
        retry_after: Some(7),
    };
    rig.cloud.faults().add(Rule::new(matches, down));
    let output = rig.openstack("demo", "demo", &["coe", "cluster", "list"]).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        errors.contains("The identity service cannot be asked now (HTTP 503)"),
        "{errors}"
    );
    // Everybody else is told when to come again: what Keystone asked for.
    let answer = http()
        .get(rig.url("/v1/clusters"))
        .header("user-agent", "curl/7.88.1")
        .header("x-auth-token", "gAAAAAsome")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "7");
}

/// `GET path` over a Unix socket.
async fn over_unix(socket: &Path, path: &str) -> String {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Everything that the service manager is told up to a message, which must come before its socket loses patience.
async fn heard_until(manager: UnixDatagram, end: &'static str) -> (UnixDatagram, Vec<String>) {
    let listen = move || {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last| last != end) {
            let mut text = [0; 100];
            let length = manager.recv(&mut text).unwrap();
            heard.push(String::from_utf8(text[..length].to_vec()).unwrap());
        }
        (manager, heard)
    };
    tokio::task::spawn_blocking(listen).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_of_start_life_and_end_and_the_socket_file_goes() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, channel) = (directory.path().join("api.sock"), directory.path().join("notify"));
    let manager = UnixDatagram::bind(&channel).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let more = format!(
        "[api]\nunix_socket = {}\nunix_socket_mode = 0600\n",
        socket.display()
    );
    let mut rig = Rig::prepare(&more, "http", http()).await;
    rig.environment = vec![
        ("NOTIFY_SOCKET", channel.into_os_string()),
        ("WATCHDOG_USEC", "200000".into()),
    ];
    // What a process that was killed has left behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    rig.start_service().await;
    let (manager, heard) = heard_until(manager, "WATCHDOG=1").await;
    assert_eq!(heard.first().map(String::as_str), Some("READY=1"), "{heard:?}");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let answer = over_unix(&socket, "/healthcheck").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("OK"),
        "{answer}"
    );

    rig.signal(Signal::TERM);
    heard_until(manager, "STOPPING=1").await;
    assert!(rig.ended().await.success());
    assert!(!socket.exists(), "the socket file is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_takes_sockets_over_from_the_service_manager() {
    // As systemd does it: the socket is descriptor 3, and the variables name the process that is to take it.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let rig = Rig::prepare("", "http", http()).await;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&listener);
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let script = format!(
        "exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ exec {} serve --config-file {}",
        crate::rig::PROGRAM,
        rig.directory.path().join("jeroboam.conf").display()
    );
    let _child = tokio::process::Command::new("bash")
        .args(["-c", &script])
        .stderr(std::fs::File::create(rig.log()).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    rig.wait_text(&rig.log(), "ready").await;
    let answer = http().get(format!("http://{address}/healthcheck")).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    assert!(http().get(rig.url("/healthcheck")).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted_and_logged_and_the_log_file_can_be_moved_away() {
    let logs = tempfile::tempdir().unwrap();
    let port = free_port();
    let more = format!(
        "[DEFAULT]\nlog_file = service.txt\nlog_dir = {}\n[metrics]\nlisten = 127.0.0.1:{port}\n\
         [api]\naccess_log_format = %(method)s %(path)s %(status)s %(project_id)s %(microversion)s %(client)s \
         %(user_agent)s %(request_id)s.\n[cors]\nallowed_origin = https://dashboard.example\n",
        logs.path().display()
    );
    let mut rig = Rig::prepare(&more, "http", http()).await;
    rig.start_service().await;
    rig.demo(&["coe", "cluster", "list"]).await;
    let unknown = http()
        .get(rig.url("/v1/clusters/secret-name?x=hidden"))
        .header("user-agent", "two\twords")
        .header("x-auth-token", "gAAAAAnobody")
        .header("origin", "https://dashboard.example")
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 401);
    assert_eq!(
        unknown.headers()["access-control-allow-origin"],
        "https://dashboard.example"
    );
    let request_id = unknown.headers()["x-openstack-request-id"].to_str().unwrap();

    let file = logs.path().join("service.txt");
    let line = format!("GET /v1/clusters/secret-name 401 - - 127.0.0.1 two?words {request_id}.");
    let log = rig.wait_text(&file, &line).await;
    assert!(log.contains("GET /v1/clusters 200 "), "{log}");
    assert!(!log.contains("hidden") && !log.contains("gAAAAA"), "{log}");

    let url = format!("http://127.0.0.1:{port}/metrics");
    let scrape = http().get(&url).send().await.unwrap();
    let kind = scrape.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = scrape.text().await.unwrap();
    for part in [
        "jeroboam_http_requests_total{method=\"GET\",route=\"/v1/clusters\",status=\"200\"} 1",
        "jeroboam_http_requests_total{method=\"GET\",route=\"/v1/clusters/{cluster}\",status=\"401\"} 1",
        "jeroboam_token_lookups_total{result=\"miss\"} 2",
        "jeroboam_cloud_calls_total{service=\"identity\",method=\"GET\",outcome=\"200\"}",
        "jeroboam_database_connections{state=\"idle\"}",
        "jeroboam_engine_work_due 0",
        "process_resident_memory_bytes ",
        "jeroboam_build_info{",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("secret-name"), "{text}");
    let elsewhere = http().get(rig.url("/metrics")).send().await.unwrap();
    assert_eq!(elsewhere.status(), 401, "the API's own address shows no numbers");

    let moved = logs.path().join("service.txt.1");
    std::fs::rename(&file, &moved).unwrap();
    rig.signal(Signal::HUP);
    rig.wait_text(&file, "SIGHUP").await;
    assert!(!std::fs::read_to_string(&moved).unwrap().contains("SIGHUP"));
}
