//! Over TCP: connections, and the end of the service.

use std::time::Duration;

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
