//! The endpoint of clusters on a real socket, an add-on that takes what it is given, and a gRPC client that is not ours.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jeroboam_api::{
    App, Autoscalers, FlavorSize, Listener, LowestTls, NodeSecrets, Server, Tls, autoscaler_router,
    bootstrap_router,
};
use jeroboam_config::Config;
use jeroboam_driver::{
    Access, AddOnAsk, AddOnState, Ask, Departure, Drift, Driver, DriverError, Drivers, Graph, Invalid, Key,
    Leaving, Made, NodeAsk, NodeMarks, Provides, Report, Resource, ServiceAccess, Spec,
};
use jeroboam_engine::{Clock, Endpoint, Engine, Options, SystemClock};
use jeroboam_metrics::Metrics;
use jeroboam_pki::{Authority, LeafRequest, Purpose, RsaBits, Validity};
use jeroboam_store::NewCluster;
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::{ClusterId, NodeGroup};
use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic_prost::ProstCodec;

use crate::house::{House, Running};

/// What autoscalers have been given, by the cluster and in order.
pub type Given = Arc<Mutex<Vec<(ClusterId, String, ServiceAccess)>>>;

/// Swarms with an add-on that asks for nodes.
#[derive(Clone, Default)]
pub struct Scaled {
    pub given: Given,
    pub wanted: Arc<Mutex<Option<()>>>,
}

#[async_trait]
impl Driver for Scaled {
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
        let mut graph = SwarmDriver.graph(ask)?;
        if self.wanted.lock().unwrap().is_some() {
            graph.insert(Resource {
                key: Key::new("add-on", "scaler"),
                needs: BTreeSet::from([Key::new("floating-ip", "master-0")]),
                group: None,
                spec: Spec::AddOn {
                    revision: "one".into(),
                    cloud: false,
                    autoscales: true,
                },
            });
        }
        Ok(graph)
    }

    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        SwarmDriver.user_data(node)
    }

    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        SwarmDriver.api_address(ask, made)
    }

    async fn check(&self, _: &Ask, _: &Access) -> Report {
        Report::Ready {
            coe_version: "1".into(),
            container_version: None,
        }
    }

    async fn leave(&self, _: &Ask, _: &Access, _: &Leaving<'_>) -> Departure {
        Departure::Gone
    }

    async fn look_at_add_on(&self, ask: &Ask, _: &str, revision: &str, _: &Access) -> AddOnState {
        let given = self.given.lock().unwrap();
        let mut of_cluster = given.iter().filter(|(cluster, ..)| *cluster == ask.cluster.uuid);
        match of_cluster.next_back() {
            Some((_, applied, _)) if applied == revision => AddOnState::Ready,
            _ => AddOnState::Outdated,
        }
    }

    async fn apply_add_on(&self, asked: &AddOnAsk<'_>, _: &Access) -> AddOnState {
        let service = asked.service.expect("it asks for nodes").clone();
        let given = (asked.ask.cluster.uuid, asked.revision.to_owned(), service);
        self.given.lock().unwrap().push(given);
        AddOnState::NotYet("applied".into())
    }

    async fn look_for_drift(&self, _: &str, _: &str, _: &Access) -> Drift {
        Drift::None
    }

    async fn remove_add_on(&self, _: &str, _: &Access) -> Departure {
        Departure::Gone
    }

    fn node_marks(&self, _: &Ask, group: &NodeGroup) -> Option<NodeMarks> {
        Some(NodeMarks {
            labels: [("group".to_owned(), group.name.clone())].into(),
            taints: vec![("only".into(), "gpu".into(), "NoSchedule".into())],
            pods: 30,
        })
    }
}

/// The engine as the program puts it behind the endpoint.
struct Bench(Engine);

impl Autoscalers for Bench {
    async fn cluster_of(&self, certificate: &[u8]) -> Result<Option<ClusterId>, String> {
        let found = self.0.autoscaled_cluster(certificate).await;
        found.map_err(|error| error.to_string())
    }

    async fn flavor(&self, cluster: ClusterId, id: &str) -> Result<Option<FlavorSize>, String> {
        let found = self.0.flavor_for(cluster, id).await;
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.map(|flavor| FlavorSize {
            name: flavor.name,
            vcpus: flavor.vcpus,
            ram_mib: flavor.ram_mib,
            disk_gib: flavor.disk_gib,
        }))
    }
}

impl NodeSecrets for Bench {
    async fn give(&self, token: &str) -> Result<Option<SecretString>, String> {
        Ok((token == "good").then(|| SecretString::from("keys")))
    }

    async fn done(&self, _: &str) -> Result<bool, String> {
        Ok(true)
    }
}

/// A house whose clusters are scaled, and the endpoint that they ask.
pub struct Rig {
    pub house: House,
    pub driver: Scaled,
    pub engine: Running,
    pub address: SocketAddr,
    pub authority: String,
    pub metrics: Metrics,
    shutdown: CancellationToken,
    directory: tempfile::TempDir,
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut house = House::build().await;
        let driver = Scaled::default();
        *driver.wanted.lock().unwrap() = Some(());
        house.drivers = Drivers::new(vec![Arc::new(driver.clone())]);
        let directory = tempfile::tempdir().unwrap();
        let authority = certificate(directory.path());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let engine = house
            .engine(|options| {
                options.trust_server_active = false;
                options.bootstrap = Some(Endpoint {
                    url: format!("https://{address}"),
                    authority: authority.clone(),
                    token_life: Duration::from_secs(60),
                });
                change(options);
            })
            .await;
        let rig = Self {
            house,
            driver,
            engine,
            address,
            authority,
            metrics: Metrics::default(),
            shutdown: CancellationToken::new(),
            directory,
        };
        rig.serve(socket);
        rig
    }

    /// One more process of the service: it remembers nothing of what the others have seen.
    pub async fn another(&self) -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        self.serve(socket);
        address
    }

    fn serve(&self, socket: TcpListener) {
        let (certificate, key) = (
            self.directory.path().join("crt"),
            self.directory.path().join("key"),
        );
        let tls = Tls::load_for_clusters(&certificate, &key, LowestTls::V12).unwrap();
        let state = self.directory.path().display();
        let config = format!("[DEFAULT]\nstate_path = {state}\n[quotas]\nmax_nodes_per_cluster = 6\n");
        let engine = &self.engine.engine;
        let app = App {
            store: engine.store.clone(),
            connector: engine.connector.clone(),
            service: engine.service.clone(),
            drivers: engine.drivers.clone(),
            keyring: Arc::clone(&engine.keyring),
            config: Arc::new(Config::from_ini(&config).unwrap()),
            wake: Arc::new(Notify::new()),
            clock: || SystemClock.now(),
        };
        let router = bootstrap_router(Bench(engine.clone())).merge(autoscaler_router(
            app,
            self.metrics.clone(),
            Bench(engine.clone()),
        ));
        let server = Server {
            listeners: vec![Listener::tcp(socket, Some(Arc::new(tls)))],
            drain: Some(Duration::from_secs(5)),
            metrics: None,
        };
        tokio::spawn(server.run(router, self.shutdown.clone()));
    }

    /// A cluster of one master, whose workers are scaled from 1 to 4.
    pub async fn cluster(&self, workers: i32) -> ClusterId {
        self.house
            .ask(1, workers, |new: &mut NewCluster| {
                let worker = &mut new.groups[1];
                (worker.min_node_count, worker.max_node_count) = (Some(1), Some(4));
            })
            .await
    }

    /// What the cluster's autoscaler was given last.
    pub fn given(&self, cluster: ClusterId) -> ServiceAccess {
        let given = self.driver.given.lock().unwrap();
        let mut of_cluster = given.iter().filter(|(known, ..)| *known == cluster);
        of_cluster.next_back().expect("the add-on was applied").2.clone()
    }

    /// The autoscaler of a cluster.
    pub async fn autoscaler(&self, cluster: ClusterId) -> Autoscaler {
        let access = self.given(cluster);
        assert_eq!(access.address, self.address.to_string());
        self.connect(self.address, Some(&access)).await
    }

    /// Somebody who shows what was given, or nothing.
    pub async fn connect(&self, address: SocketAddr, access: Option<&ServiceAccess>) -> Autoscaler {
        let authority = Certificate::from_pem(&self.authority);
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(authority)
            .domain_name("127.0.0.1");
        if let Some(access) = access {
            let key = access.client.key.expose_secret();
            tls = tls.identity(Identity::from_pem(&access.client.certificate, key));
        }
        let channel = Channel::from_shared(format!("https://{address}")).unwrap();
        let channel = channel.tls_config(tls).unwrap();
        Autoscaler(channel.connect().await.unwrap())
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.engine.stop().await;
    }
}

/// A client of the protocol.
#[derive(Clone)]
pub struct Autoscaler(Channel);

impl Autoscaler {
    pub async fn call<Q, A>(&self, name: &str, asked: Q) -> Result<A, tonic::Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path = format!("/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/{name}");
        let path = PathAndQuery::try_from(path).unwrap();
        let mut client = Grpc::new(self.0.clone());
        client.ready().await.unwrap();
        let codec = ProstCodec::<Q, A>::default();
        let answer = client.unary(tonic::Request::new(asked), path, codec).await?;
        Ok(answer.into_inner())
    }
}

/// Certificate and key of an endpoint on this machine, in files; gives the authority.
pub fn certificate(directory: &std::path::Path) -> String {
    let validity = Validity::days(SystemClock.now().0 / 1_000, 10);
    let authority = Authority::generate("nodes", Purpose::Node, RsaBits::Rsa2048, validity).unwrap();
    let issued = authority
        .issue(&LeafRequest {
            common_name: "127.0.0.1".into(),
            organizations: Vec::new(),
            dns: Vec::new(),
            ips: vec![[127, 0, 0, 1].into()],
            server: true,
            client: false,
            validity,
        })
        .unwrap();
    std::fs::write(directory.join("crt"), &issued.certificate_pem).unwrap();
    std::fs::write(directory.join("key"), issued.key_pem.expose_secret()).unwrap();
    authority.certificate_pem
}
