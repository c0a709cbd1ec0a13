//! Real machines on real networks: needs root and what [`preflight`] names, and builds the base image on first use.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jeroboam_simnodes::topology::{
    FloatingIp, Leg, Listener, LoadBalancer, Network, Port, Router, Rule, Server, ServerState, Subnet,
    Topology, Volume,
};
use jeroboam_simnodes::{Error, Machines, free_external_subnet, image, preflight};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const INSTANCE: &str = "it";
const WEB: &str = "11111111-0000-4000-8000-000000000001";
const APP: &str = "22222222-0000-4000-8000-000000000002";
const FAR: &str = "33333333-0000-4000-8000-000000000003";
const DATA: &str = "44444444-0000-4000-8000-000000000004";
const LATE: &str = "55555555-0000-4000-8000-000000000005";
const PATIENCE: Duration = Duration::from_secs(90);

fn cache_dir() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    cache.unwrap_or_else(|| home.join(".cache")).join("jeroboam")
}

fn network(external: bool, address: [u8; 4]) -> Network {
    let [a, b, c, _] = address;
    let gateway = Some(Ipv4Addr::new(a, b, c, 1));
    let dns = vec![Ipv4Addr::new(192, 0, 2, 53)];
    Network {
        external,
        subnets: vec![Subnet {
            address: address.into(),
            prefix_len: 24,
            gateway,
            dns,
        }],
    }
}

fn leg(network: &str, address: Ipv4Addr) -> Leg {
    Leg {
        network: network.into(),
        address,
        prefix_len: 24,
    }
}

fn port(server: &str, network: &str, address: [u8; 4], rules: Vec<Rule>) -> Port {
    let [_, _, c, d] = address;
    Port {
        network: network.into(),
        server: server.into(),
        mac: format!("fa:16:3e:00:{c:02x}:{d:02x}"),
        fixed_ips: vec![(address.into(), 24)],
        allowed_address_pairs: Vec::new(),
        rules: Some(rules),
    }
}

fn rule(ingress: bool, protocol: Option<&str>, ports: Option<(u16, u16)>) -> Rule {
    Rule {
        ingress,
        protocol: protocol.map(str::to_owned),
        ports,
        remotes: Vec::new(),
    }
}

/// Lets 8080 and pings in, and everything out.
fn web_rules() -> Vec<Rule> {
    vec![
        rule(true, Some("tcp"), Some((8080, 8080))),
        rule(true, Some("icmp"), None),
        rule(false, None, None),
    ]
}

/// A server that answers with its name on ports 8080 and 8081.
fn server(name: &str) -> Server {
    let user_data = format!(
        "#cloud-config\n\
         write_files:\n\
         - path: /srv/index.html\n  content: {name}\n\
         runcmd:\n\
         - systemd-run busybox httpd -f -p 8080 -h /srv\n\
         - systemd-run busybox httpd -f -p 8081 -h /srv\n\
         - touch /run/ready\n"
    );
    Server {
        name: name.into(),
        running: true,
        boot: 0,
        user_data: Some(user_data.into_bytes()),
        public_key: None,
        metadata: BTreeMap::new(),
        memory_mib: 1024,
        volumes: Vec::new(),
    }
}

fn volume(id: &str, device: &str) -> Volume {
    Volume {
        id: id.into(),
        size_gib: 1,
        device: device.into(),
    }
}

/// Two tenant networks behind a router, three servers, a load balancer; addresses in the external network end
/// in 10 (router), 50 (web), and 51 (load balancer).
fn topology(external: Ipv4Addr) -> Topology {
    let [a, b, c, _] = external.octets();
    let outside = |last| Ipv4Addr::new(a, b, c, last);
    let mut web = server("web");
    web.volumes = vec![volume(DATA, "/dev/vdb")];
    let floating = |last, fixed: [u8; 4]| FloatingIp {
        address: outside(last),
        fixed: fixed.into(),
        router: "router".into(),
    };
    let members = vec![([10, 91, 1, 11].into(), 8080), ([10, 91, 1, 12].into(), 8080)];
    Topology {
        networks: [
            ("public".to_owned(), network(true, external.octets())),
            ("near".to_owned(), network(false, [10, 91, 1, 0])),
            ("far".to_owned(), network(false, [10, 91, 2, 0])),
        ]
        .into(),
        routers: [(
            "router".to_owned(),
            Router {
                gateway: Some(leg("public", outside(10))),
                legs: vec![
                    leg("near", [10, 91, 1, 1].into()),
                    leg("far", [10, 91, 2, 1].into()),
                ],
                routes: Vec::new(),
            },
        )]
        .into(),
        ports: [
            (
                "port-web".to_owned(),
                port(WEB, "near", [10, 91, 1, 11], web_rules()),
            ),
            (
                "port-app".to_owned(),
                port(APP, "near", [10, 91, 1, 12], web_rules()),
            ),
            (
                "port-far".to_owned(),
                port(FAR, "far", [10, 91, 2, 11], web_rules()),
            ),
        ]
        .into(),
        floating_ips: [
            ("fip-web".to_owned(), floating(50, [10, 91, 1, 11])),
            ("fip-vip".to_owned(), floating(51, [10, 91, 1, 20])),
        ]
        .into(),
        servers: [
            (WEB.to_owned(), web),
            (APP.to_owned(), server("app")),
            (FAR.to_owned(), server("far")),
        ]
        .into(),
        load_balancers: [(
            "balancer".to_owned(),
            LoadBalancer {
                network: "near".into(),
                vip: [10, 91, 1, 20].into(),
                prefix_len: 24,
                gateway: Some([10, 91, 1, 1].into()),
                listeners: vec![Listener {
                    port: 80,
                    allowed_cidrs: Vec::new(),
                    members,
                    monitor_secs: Some(1),
                }],
            },
        )]
        .into(),
    }
}

/// Waits until a question is answered with yes.
async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn state_becomes(machines: &Machines, server: &str, state: ServerState) {
    let mut changes = machines.changes();
    let wait = async {
        while machines.server_states().get(server) != Some(&state) {
            changes.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("{server} never became {state:?}"));
}

/// Page that a web server gives to the root network namespace; `None` when it cannot be reached.
async fn page(address: Ipv4Addr, port: u16) -> Option<String> {
    let fetch = async {
        let mut stream = TcpStream::connect((address, port)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split("\r\n\r\n").nth(1).map(|body| body.trim().to_owned())
    };
    timeout(Duration::from_secs(2), fetch).await.ok().flatten()
}

async fn succeeds(machines: &Machines, server: &str, script: &str) -> bool {
    matches!(machines.exec(server, &["sh", "-c", script]).await, Ok((0, _)))
}

async fn output(machines: &Machines, server: &str, script: &str) -> String {
    machines
        .exec(server, &["sh", "-c", script])
        .await
        .unwrap()
        .1
        .trim()
        .to_owned()
}

/// Everything on this machine that an instance could leave behind.
fn traces() -> String {
    let script = "for c in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
            mountpoint -q /sys/fs/cgroup/$c && continue
            mkdir -p /sys/fs/cgroup/$c && mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c 2>/dev/null
        done
        find /sys/fs/cgroup -maxdepth 2 -name 'jb-it-*'
        ls /run/netns 2>/dev/null | grep '^jb-it-'
        ip -o link | grep -o 'jb-it[^:]*'
        losetup --list --noheadings --output BACK-FILE | grep simnodes-it
        grep simnodes-it /proc/1/mounts
        pgrep -af '^systemd-nspawn.* --machine=jb-it-'
        true";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topology_lives_and_leaves_no_trace() {
    let missing = preflight::missing();
    assert!(
        missing.is_empty(),
        "machines cannot boot here: {}",
        missing.join("; ")
    );
    let base = image::ensure(&cache_dir(), &|line| eprintln!("{line}"))
        .await
        .unwrap();
    let directory = tempfile::Builder::new().prefix("simnodes-it").tempdir().unwrap();
    let state = directory.path().join("state");
    let (external, _) = free_external_subnet().unwrap();
    let mut wanted = topology(external);

    let machines = Machines::open(&state, INSTANCE, base.clone()).await.unwrap();
    assert!(matches!(
        Machines::open(&state, INSTANCE, base.clone()).await,
        Err(Error::Busy(_))
    ));
    machines.apply(&wanted).await.unwrap();
    for id in [WEB, APP, FAR] {
        state_becomes(&machines, id, ServerState::Running).await;
        eventually("user data ran", || succeeds(&machines, id, "test -e /run/ready")).await;
    }
    traffic_goes_where_it_may(&machines, external).await;
    filters_follow(&machines, &mut wanted).await;
    volumes_come_and_stay(&machines, &mut wanted).await;
    balancer_avoids_the_dead(&machines, external).await;
    disks_outlive_a_stop(&machines, &mut wanted).await;

    // A process that dies leaves machines running; the next one sweeps them away and keeps the disks.
    drop(machines);
    assert!(traces().contains("jb-it-"));
    let machines = Machines::open(&state, INSTANCE, base).await.unwrap();
    assert_eq!(traces(), "");
    wanted.servers.retain(|id, _| id == WEB);
    machines.apply(&wanted).await.unwrap();
    eventually("the disk is back", || {
        succeeds(&machines, WEB, "grep -q kept /root/file")
    })
    .await;
    eventually("other disks are gone", || async {
        !state.join("servers").join(FAR).exists()
    })
    .await;

    machines.close().await;
    assert_eq!(traces(), "");
    assert!(!Path::new(&state).exists());
}

async fn traffic_goes_where_it_may(machines: &Machines, external: Ipv4Addr) {
    let [a, b, c, _] = external.octets();
    let (web, vip) = (Ipv4Addr::new(a, b, c, 50), Ipv4Addr::new(a, b, c, 51));
    assert_eq!(page(web, 8080).await.as_deref(), Some("web"), "floating IP");
    assert_eq!(page(web, 8081).await, None, "security group");
    // Neighbour, neighbour behind a router, and a floating IP of one's own network.
    for (from, to) in [
        (APP, "10.91.1.11"),
        (FAR, "10.91.1.11"),
        (APP, &web.to_string()),
        (WEB, &web.to_string()),
    ] {
        let curl = format!("curl -sS --max-time 3 http://{to}:8080/ 2>&1");
        assert_eq!(output(machines, from, &curl).await, "web", "{from} to {to}");
    }
    assert!(
        !succeeds(machines, APP, "curl -s --max-time 1 http://10.91.1.11:8081/").await,
        "security group"
    );
    assert!(succeeds(machines, FAR, "ping -c 1 -W 2 10.91.1.12").await);
    // Refused at once, not lost.
    for nowhere in ["169.254.169.254", "192.0.2.77"] {
        let start = Instant::now();
        assert_eq!(
            output(machines, WEB, &format!("curl -s --max-time 9 {nowhere}; echo $?")).await,
            "7"
        );
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{nowhere} took {:?}",
            start.elapsed()
        );
    }
    let start = Instant::now();
    assert!(!succeeds(machines, WEB, "getent hosts registry.example.org").await);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "a look-up took {:?}",
        start.elapsed()
    );
    for member in ["web", "app"] {
        eventually("both members answer through the load balancer", || async {
            page(vip, 80).await.as_deref() == Some(member)
        })
        .await;
    }
    eventually("a container runs", || {
        succeeds(machines, WEB, "docker run --detach --publish 8082:80 demo/web:1")
    })
    .await;
    eventually("a container serves", || {
        succeeds(machines, WEB, "curl -s --max-time 2 http://10.91.1.11:8082/")
    })
    .await;
    let (status, _) = machines
        .exec(WEB, &["sh", "-c", "ss -ltn | grep -q ':237[56]'"])
        .await
        .unwrap();
    assert_eq!(status, 1, "docker listens on its socket only");
    assert_eq!(
        output(machines, WEB, "systemctl --failed --no-legend | wc -l").await,
        "0"
    );
    assert!(machines.console_log(WEB).await.contains("Cloud-init"));
}

async fn filters_follow(machines: &Machines, wanted: &mut Topology) {
    let port = wanted.ports.get_mut("port-web").unwrap();
    let mut rules = web_rules();
    rules.push(Rule {
        remotes: vec!["10.91.1.12/32".into()],
        ..rule(true, Some("tcp"), Some((8081, 8081)))
    });
    port.rules = Some(rules);
    machines.apply(wanted).await.unwrap();
    assert!(succeeds(machines, APP, "curl -s --max-time 3 http://10.91.1.11:8081/").await);
    assert!(!succeeds(machines, FAR, "curl -s --max-time 1 http://10.91.1.11:8081/").await);
}

async fn volumes_come_and_stay(machines: &Machines, wanted: &mut Topology) {
    let by_id = format!("/dev/disk/by-id/virtio-{}", &DATA[..20]);
    let write =
        format!("mkfs.ext4 -q {by_id} && mount /dev/vdb /mnt && echo written >/mnt/file && umount /mnt");
    assert!(succeeds(machines, WEB, &write).await);
    let late = volume(LATE, "/dev/vdb");
    wanted.servers.get_mut(APP).unwrap().volumes = vec![late];
    machines.apply(wanted).await.unwrap();
    eventually("a volume appears in a running server", || {
        succeeds(
            machines,
            APP,
            "test $(blockdev --getsize64 /dev/vdb) = 1073741824",
        )
    })
    .await;
    wanted.servers.get_mut(APP).unwrap().volumes.clear();
    machines.apply(wanted).await.unwrap();
    eventually("a detached volume disappears", || {
        succeeds(machines, APP, "test ! -e /dev/vdb")
    })
    .await;
    machines.forget_volume(LATE);
}

async fn balancer_avoids_the_dead(machines: &Machines, external: Ipv4Addr) {
    let [a, b, c, _] = external.octets();
    machines.kill(APP);
    state_becomes(machines, APP, ServerState::Stopped).await;
    assert!(matches!(
        machines.exec(APP, &["true"]).await,
        Err(Error::NotRunning(_))
    ));
    for _ in 0..4 {
        assert_eq!(page(Ipv4Addr::new(a, b, c, 51), 80).await.as_deref(), Some("web"));
    }
}

async fn disks_outlive_a_stop(machines: &Machines, wanted: &mut Topology) {
    assert!(succeeds(machines, WEB, "echo kept >/root/file").await);
    wanted.servers.get_mut(WEB).unwrap().running = false;
    machines.apply(wanted).await.unwrap();
    state_becomes(machines, WEB, ServerState::Stopped).await;
    wanted.servers.get_mut(WEB).unwrap().running = true;
    machines.apply(wanted).await.unwrap();
    eventually("it boots again with its disk", || {
        succeeds(machines, WEB, "grep -q kept /root/file")
    })
    .await;
    eventually("the volume kept its data", || {
        succeeds(
            machines,
            WEB,
            "mountpoint -q /mnt || mount /dev/vdb /mnt; grep -q written /mnt/file && umount /mnt",
        )
    })
    .await;
    // A guest that powers itself off stays off; a new boot number starts it.
    let _ = machines.exec(WEB, &["systemctl", "poweroff"]).await;
    state_becomes(machines, WEB, ServerState::Stopped).await;
    machines.apply(wanted).await.unwrap();
    assert_eq!(machines.server_states().get(WEB), Some(&ServerState::Stopped));
    wanted.servers.get_mut(WEB).unwrap().boot += 1;
    machines.apply(wanted).await.unwrap();
    state_becomes(machines, WEB, ServerState::Running).await;
}
