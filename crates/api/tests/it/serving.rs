//! Over TCP: connections, and the end of the service.

use std::time::Duration;

use jeroboam_api::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::rig::Rig;

#[tokio::test]
async fn a_shutdown_ends_idle_connections_and_answers_what_is_under_way() {
    let rig = Rig::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(jeroboam_api::serve(
        listener,
        rig.router.clone(),
        shutdown.clone(),
    ));

    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 15];
    idle.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    // Its body is still to come when the shutdown begins.
    let token = rig.token("demo", "demo").await;
    let mut busy = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /v1/clusters HTTP/1.1\r\nhost: h\r\nx-auth-token: {token}\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n"
    );
    busy.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 21];
    busy.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 100 Continue");
    shutdown.cancel();
    busy.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 400 Bad Request"), "{answer}");

    let ended = tokio::time::timeout(Duration::from_secs(5), served)
        .await
        .unwrap();
    ended.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_socket_file_is_made_with_its_mode_replaces_a_dead_one_and_is_removed() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = Listener::bind_unix(&path, 0o640).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let taken = Listener::bind_unix(&path, 0o640).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    drop(listener);
    assert!(!path.exists());
    std::fs::write(&path, "somebody's").unwrap();
    let file = Listener::bind_unix(&path, 0o640).unwrap_err();
    assert_eq!(file.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's");
}

#[tokio::test]
async fn a_file_can_call_the_api_unavailable_at_one_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("off");
    let options = format!(
        "[healthcheck]\ndisable_by_file_paths = {port}:{}, 1:/\n",
        file.display()
    );
    let rig = Rig::with(&options).await;
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(jeroboam_api::serve(
        listener,
        rig.router.clone(),
        shutdown.clone(),
    ));
    let health = async || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(b"GET /healthcheck HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer[9..12].to_owned()
    };
    assert_eq!(health().await, "200");
    std::fs::write(&file, "").unwrap();
    assert_eq!(health().await, "503");
    shutdown.cancel();
    served.await.unwrap().unwrap();
}
