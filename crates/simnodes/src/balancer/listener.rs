//! One listener: accepts, picks a healthy member in turn, and copies bytes both ways.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cidr::Cidr;
use crate::topology::Listener;

type Member = (Ipv4Addr, u16);

/// How long a member may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause before an address is bound again, or another connection accepted, after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Members that passed their last check; one that was never checked is not used while a monitor is set.
type Healthy = Arc<Mutex<BTreeSet<Member>>>;

/// Serves a port of the VIP until the sender of the configuration is gone; its connections end with it.
pub(super) async fn run(vip: Ipv4Addr, port: u16, config: watch::Receiver<Listener>) {
    let healthy = Healthy::default();
    let mut connections = JoinSet::new();
    let work = async {
        let listener = bind(vip, port).await;
        let mut turn = 0;
        loop {
            let (client, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%vip, port, %error, "cannot accept a connection");
                    tokio::time::sleep(RETRY_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let candidates = candidates(&config.borrow(), &healthy, peer, &mut turn);
            connections.spawn(forward(client, candidates));
        }
    };
    let monitor = monitor(config.clone(), Arc::clone(&healthy));
    let mut removal = config.clone();
    let removed = async { while removal.changed().await.is_ok() {} };
    tokio::select! {
        () = work => {}
        () = monitor => {}
        () = removed => {}
    }
}

async fn bind(vip: Ipv4Addr, port: u16) -> TcpListener {
    loop {
        match TcpListener::bind((vip, port)).await {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::warn!(%vip, port, %error, "cannot listen for a load balancer");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// Usable members, the one whose turn it is first; none for a client that may not connect.
fn candidates(listener: &Listener, healthy: &Healthy, peer: SocketAddr, turn: &mut usize) -> Vec<Member> {
    let mut allowed = listener
        .allowed_cidrs
        .iter()
        .filter_map(|cidr| cidr.parse::<Cidr>().ok());
    let may_connect = match peer {
        SocketAddr::V4(peer) => allowed.any(|cidr| cidr.contains(*peer.ip())),
        SocketAddr::V6(_) => false,
    };
    if !listener.allowed_cidrs.is_empty() && !may_connect {
        return Vec::new();
    }
    let healthy = healthy.lock().unwrap_or_else(PoisonError::into_inner);
    let monitored = listener.monitor_secs.is_some();
    let mut members: Vec<Member> = listener
        .members
        .iter()
        .filter(|member| !monitored || healthy.contains(member))
        .copied()
        .collect();
    if !members.is_empty() {
        let first = *turn % members.len();
        *turn = turn.wrapping_add(1);
        members.rotate_left(first);
    }
    members
}

/// Copies between the client and the first member that accepts; resets the client when none does.
async fn forward(mut client: TcpStream, candidates: Vec<Member>) {
    for member in candidates {
        if let Some(mut server) = connect(member).await {
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
    let _ = client.set_zero_linger();
}

async fn connect((address, port): Member) -> Option<TcpStream> {
    timeout(
        CONNECT_TIMEOUT,
        TcpStream::connect(SocketAddrV4::new(address, port)),
    )
    .await
    .ok()?
    .ok()
}

/// Checks all members at each interval, and at once when the configuration changes.
async fn monitor(mut config: watch::Receiver<Listener>, healthy: Healthy) {
    loop {
        let listener = config.borrow_and_update().clone();
        let Some(interval_secs) = listener.monitor_secs else {
            if config.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut checks = JoinSet::new();
        for member in listener.members {
            checks.spawn(async move { connect(member).await.map(|_| member) });
        }
        let accepting = checks.join_all().await.into_iter().flatten().collect();
        *healthy.lock().unwrap_or_else(PoisonError::into_inner) = accepting;
        let interval = Duration::from_secs(interval_secs.max(1));
        if let Ok(Err(_)) = timeout(interval, config.changed()).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn listener(members: &[Member], monitor_secs: Option<u64>) -> Listener {
        Listener {
            port: 80,
            allowed_cidrs: Vec::new(),
            members: members.to_vec(),
            monitor_secs,
        }
    }

    fn members(count: u8) -> Vec<Member> {
        (1..=count)
            .map(|last| (Ipv4Addr::new(10, 0, 0, last), 80))
            .collect()
    }

    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);

    #[test]
    fn members_take_turns() {
        let (listener, mut turn) = (listener(&members(2), None), 0);
        let mut first = || {
            candidates(&listener, &Healthy::default(), PEER, &mut turn)[0]
                .0
                .octets()[3]
        };
        assert_eq!([first(), first(), first()], [1, 2, 1]);
    }

    #[test]
    fn a_monitored_member_is_used_only_after_it_passed() {
        let (listener, healthy) = (listener(&members(2), Some(5)), Healthy::default());
        assert!(candidates(&listener, &healthy, PEER, &mut 0).is_empty());
        healthy.lock().unwrap().insert(members(2)[1]);
        assert_eq!(candidates(&listener, &healthy, PEER, &mut 0), [members(2)[1]]);
    }

    #[test]
    fn a_client_outside_the_allowed_cidrs_gets_no_member() {
        let mut listener = listener(&members(1), None);
        listener.allowed_cidrs = vec!["10.0.0.0/8".to_owned()];
        assert!(candidates(&listener, &Healthy::default(), PEER, &mut 0).is_empty());
        listener.allowed_cidrs.push("192.0.2.0/24".to_owned());
        assert_eq!(candidates(&listener, &Healthy::default(), PEER, &mut 0).len(), 1);
    }

    async fn echo_member() -> Member {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            }
        });
        (Ipv4Addr::LOCALHOST, port)
    }

    async fn free_port() -> u16 {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_a_dead_member_is_skipped() {
        let dead = (Ipv4Addr::LOCALHOST, free_port().await);
        let port = free_port().await;
        let (_config, receiver) = watch::channel(listener(&[dead, echo_member().await], None));
        tokio::spawn(run(Ipv4Addr::LOCALHOST, port, receiver));
        let mut client = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                Ok(client) => break client,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "hello");
    }

    #[tokio::test]
    async fn without_a_member_the_client_is_reset() {
        let port = free_port().await;
        let (_config, receiver) = watch::channel(listener(&[], None));
        tokio::spawn(run(Ipv4Addr::LOCALHOST, port, receiver));
        let mut client = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                Ok(client) => break client,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let error = client.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
