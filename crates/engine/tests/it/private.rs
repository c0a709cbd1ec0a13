//! Private clusters: their masters come for the calls to their APIs, over the real listener, known by what their
//! cluster's authority has signed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_api::{ApiCalls, Listener, LowestTls, Server, Tls, relay_router};
use jeroboam_blueprint::api::{Api, Method};
use jeroboam_driver::{
    Access, Ask, Authority, CertificateRequest, Departure, Driver, DriverError, Drivers, Graph, Invalid,
    KeyPair, Leaving, Made, NodeAsk, Provides, Report,
};
use jeroboam_engine::Engine;
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::{ClusterId, Status};
use reqwest::{Certificate, Client, Identity, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::autoscaler::rig::certificate;
use crate::house::{House, Running, within};

const MASTER: &str = "kube-apiserver-kubelet-client";

/// Swarms whose API is private, and what their machines were given to be known by.
#[derive(Clone)]
struct Private {
    is_private: bool,
    known_as: Arc<Mutex<Vec<(ClusterId, String, KeyPair)>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Private {
    fn new(is_private: bool) -> Self {
        Self {
            is_private,
            known_as: Arc::default(),
            seen: Arc::default(),
        }
    }

    fn known_as(&self, cluster: ClusterId, name: &str) -> KeyPair {
        let known = self.known_as.lock().unwrap();
        let mut of_cluster = known.iter().filter(|(of, ..)| *of == cluster);
        of_cluster.find(|(_, known, _)| known == name).unwrap().2.clone()
    }

    async fn look(&self, access: &Access) -> Result<Report, String> {
        let api = Api::new("Kubernetes API", access)?;
        let version: String = api.load("version of it?a=b c", 100, |_| None).await?;
        let body = json!({"password": "do not tell"});
        let media = "application/merge-patch+json";
        let refused = api.change(Method::PATCH, "refused", Some((media, &body))).await?;
        assert_eq!(refused, (StatusCode::CONFLICT, "somebody was faster".to_owned()));
        Ok(Report::Ready {
            coe_version: version,
            container_version: None,
        })
    }
}

#[async_trait]
impl Driver for Private {
    fn name(&self) -> &'static str {
        "swarm"
    }

    fn provides(&self) -> &'static [Provides] {
        SwarmDriver.provides()
    }

    fn validate(&self, ask: &Ask) -> Result<(), Invalid> {
        SwarmDriver.validate(ask)
    }

    fn graph(&self, ask: &Ask) -> Result<Graph, DriverError> {
        SwarmDriver.graph(ask)
    }

    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        for name in [MASTER, "system:node:demo-worker-0"] {
            let request = CertificateRequest {
                common_name: name.to_owned(),
                organizations: Vec::new(),
                addresses: Vec::new(),
                names: Vec::new(),
                server: false,
                client: true,
                days: None,
            };
            let pair = node.certificates.issue(Authority::Cluster, &request)?;
            let known = (node.ask.cluster.uuid, name.to_owned(), pair);
            self.known_as.lock().unwrap().push(known);
        }
        SwarmDriver.user_data(node)
    }

    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        SwarmDriver.api_address(ask, made)
    }

    fn is_private(&self, _: &Ask) -> bool {
        self.is_private
    }

    async fn check(&self, _: &Ask, access: &Access) -> Report {
        self.look(access).await.unwrap_or_else(|cause| {
            self.seen.lock().unwrap().push(cause.clone());
            Report::NotYet(cause)
        })
    }

    async fn leave(&self, _: &Ask, _: &Access, _: &Leaving<'_>) -> Departure {
        Departure::Gone
    }
}

/// The engine as the program puts it behind the endpoint.
struct Desk(Engine);

impl ApiCalls for Desk {
    async fn is_control_plane(&self, cluster: ClusterId, certificate: &[u8]) -> Result<bool, String> {
        let known = self.0.is_control_plane(cluster, certificate).await;
        known.map_err(|error| error.to_string())
    }

    async fn next(&self, cluster: ClusterId) -> Result<Option<(Uuid, SecretString)>, String> {
        let next = self.0.next_api_call(cluster).await;
        next.map_err(|error| error.to_string())
    }

    async fn answer(&self, cluster: ClusterId, id: Uuid, status: u16, body: &[u8]) -> Result<bool, String> {
        let answered = self.0.answer_api_call(cluster, id, status, body).await;
        answered.map_err(|error| error.to_string())
    }
}

/// A house with private clusters, and the endpoint that masters come to.
struct Rig {
    house: House,
    driver: Private,
    engine: Running,
    address: SocketAddr,
    authority: String,
    shutdown: CancellationToken,
}

impl Rig {
    async fn start(is_private: bool) -> Self {
        let mut house = House::build().await;
        let driver = Private::new(is_private);
        house.drivers = Drivers::new(vec![Arc::new(driver.clone())]);
        let engine = house.engine(|options| options.trust_server_active = false).await;
        let directory = tempfile::tempdir().unwrap();
        let authority = certificate(directory.path());
        let (crt, key) = (directory.path().join("crt"), directory.path().join("key"));
        let tls = Tls::load_for_clusters(&crt, &key, LowestTls::V12).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = Server {
            listeners: vec![Listener::tcp(socket, Some(Arc::new(tls)))],
            drain: Some(Duration::from_secs(5)),
            metrics: None,
        };
        let shutdown = CancellationToken::new();
        let router = relay_router(Desk(engine.engine.clone()));
        tokio::spawn(server.run(router, shutdown.clone()));
        Self {
            house,
            driver,
            engine,
            address,
            authority,
            shutdown,
        }
    }

    /// A cluster whose machines have been made, and which waits for its API.
    async fn cluster(&self) -> ClusterId {
        let cluster = self.house.ask(1, 1, |_| {}).await;
        within(async {
            while self
                .driver
                .known_as
                .lock()
                .unwrap()
                .iter()
                .filter(|(of, ..)| *of == cluster)
                .count()
                < 4
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        cluster
    }

    /// Somebody who shows a certificate of a cluster, or none.
    fn client(&self, shown: Option<&KeyPair>) -> Client {
        let authority = Certificate::from_pem(self.authority.as_bytes()).unwrap();
        let builder = Client::builder().tls_certs_only([authority]);
        let builder = match shown {
            Some(pair) => {
                let text = format!("{}\n{}", pair.certificate, pair.key.expose_secret());
                builder.identity(Identity::from_pem(text.as_bytes()).unwrap())
            }
            None => builder,
        };
        builder.build().unwrap()
    }

    fn master(&self, cluster: ClusterId) -> Client {
        self.client(Some(&self.driver.known_as(cluster, MASTER)))
    }

    fn calls(&self, cluster: ClusterId) -> String {
        format!("https://{}/v1/clusters/{cluster}/api-calls", self.address)
    }

    /// Waits for the next call: its id and all that is told of it.
    async fn next(&self, client: &Client, cluster: ClusterId) -> (String, String) {
        loop {
            let answer = client.post(self.calls(cluster)).send().await.unwrap();
            if answer.status() == StatusCode::NO_CONTENT {
                continue;
            }
            assert_eq!(answer.status(), StatusCode::OK);
            let text = answer.text().await.unwrap();
            let (id, call) = text.split_once(' ').unwrap();
            return (id.to_owned(), call.to_owned());
        }
    }

    async fn bring(
        &self,
        client: &Client,
        cluster: ClusterId,
        id: &str,
        status: &str,
        body: Vec<u8>,
    ) -> StatusCode {
        let url = format!("{}/{id}?status={status}", self.calls(cluster));
        client.put(url).body(body).send().await.unwrap().status()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_complete_by_calls_that_its_master_makes() {
    let rig = Rig::start(true).await;
    let cluster = rig.cluster().await;
    let master = rig.master(cluster);
    let (id, call) = rig.next(&master, cluster).await;
    assert_eq!(call, "GET version%20of%20it?a=b%20c \n");
    assert_eq!(
        rig.bring(&master, cluster, &id, "200", b"\"v1\"".to_vec()).await,
        StatusCode::NO_CONTENT
    );
    let (id, call) = rig.next(&master, cluster).await;
    let body = "{\"password\":\"do not tell\"}";
    assert_eq!(
        call,
        format!("PATCH refused application/merge-patch+json\n{body}")
    );
    let kept = rig.house.files();
    assert!(kept.contains(&id) && !kept.contains("do not tell"));
    let refusal = b"{\"message\": \"somebody was faster\"}".to_vec();
    assert_eq!(
        rig.bring(&master, cluster, &id, "409", refusal).await,
        StatusCode::NO_CONTENT
    );
    let row = rig.house.settled_as(cluster, Status::CreateComplete).await;
    assert_eq!(row.cluster.coe_version.as_deref(), Some("v1"));
    rig.house.delete_and_look(cluster).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_not_answered_say_why_and_are_made_again() {
    let rig = Rig::start(true).await;
    let cluster = rig.cluster().await;
    let says = async |words: &str| {
        within(async {
            while !rig
                .driver
                .seen
                .lock()
                .unwrap()
                .iter()
                .any(|seen| seen.contains(words))
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    says("no master of this private cluster asks for its calls").await;
    let master = rig.master(cluster);
    // Its API does not answer; its answer is too long.
    for (status, body) in [("000", Vec::new()), ("200", vec![b' '; 9 << 20])] {
        rig.driver.seen.lock().unwrap().clear();
        let (id, _) = rig.next(&master, cluster).await;
        assert_eq!(
            rig.bring(&master, cluster, &id, status, body).await,
            StatusCode::NO_CONTENT
        );
        says("the Kubernetes API does not answer: not to its own machine either").await;
    }
    let (id, _) = rig.next(&master, cluster).await;
    for (id, status, refused) in [
        (id.as_str(), "7", StatusCode::BAD_REQUEST),
        (id.as_str(), "x", StatusCode::BAD_REQUEST),
        ("x", "200", StatusCode::BAD_REQUEST),
        (
            "4f0f6d3c-6c6f-4f6e-9d4e-0a7a8c0b6f5e",
            "200",
            StatusCode::NOT_FOUND,
        ),
    ] {
        assert_eq!(rig.bring(&master, cluster, id, status, Vec::new()).await, refused);
    }
    // Whoever took it is gone.
    says("timed out on a master of this private cluster").await;
    assert_eq!(
        rig.bring(&master, cluster, &id, "200", b"\"late\"".to_vec())
            .await,
        StatusCode::NOT_FOUND
    );
    rig.house.delete_and_look(cluster).await;
    // What is known of a certificate is remembered for a moment.
    within(async {
        while master.post(rig.calls(cluster)).send().await.unwrap().status() != StatusCode::NOT_FOUND {}
    })
    .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_masters_of_the_cluster_itself_get_its_calls() {
    let rig = Rig::start(true).await;
    let (own, other) = (rig.cluster().await, rig.cluster().await);
    let node = rig.client(Some(&rig.driver.known_as(own, "system:node:demo-worker-0")));
    for (who, client) in [
        ("another cluster's master", rig.master(other)),
        ("a node", node),
        ("nobody", rig.client(None)),
    ] {
        let asked = client.post(rig.calls(own)).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::NOT_FOUND, "{who}");
        let id = "4f0f6d3c-6c6f-4f6e-9d4e-0a7a8c0b6f5e";
        let brought = rig.bring(&client, own, id, "200", Vec::new()).await;
        assert_eq!(brought, StatusCode::NOT_FOUND, "{who}");
    }
    let master = rig.master(own);
    rig.next(&master, own).await;
    // However often its masters ask, there is room for others.
    let asked = (0..20).map(|_| {
        let (client, url) = (master.clone(), rig.calls(own));
        tokio::spawn(async move { client.post(url).send().await.unwrap().status() })
    });
    let mut statuses = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        statuses.push(asked.await.unwrap());
    }
    let (refused, waited): (Vec<StatusCode>, Vec<StatusCode>) = statuses
        .iter()
        .partition(|status| **status == StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=4).contains(&refused.len()), "{statuses:?}");
    assert!(waited.iter().all(StatusCode::is_success), "{statuses:?}");
    for cluster in [own, other] {
        rig.house.ask_delete(cluster).await;
        rig.house.gone(cluster).await;
    }
    rig.stop().await;

    let reached = Rig::start(false).await;
    let cluster = reached.cluster().await;
    let asked = reached
        .master(cluster)
        .post(reached.calls(cluster))
        .send()
        .await
        .unwrap();
    assert_eq!(
        asked.status(),
        StatusCode::NOT_FOUND,
        "the service has a way of its own"
    );
    reached.house.delete_and_look(cluster).await;
    reached.stop().await;
}
