//! A cloud, a database and engines to set on them.

mod asking;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use jeroboam_cloud::{
    Connector, Credentials, DomainName, Find, Interface, Scope, Service, Session, UserName,
};
use jeroboam_driver::ask::Resolved;
use jeroboam_driver::{Drivers, Key, Spec};
use jeroboam_engine::{Budgets, Engine, IdentityMode, Options, Parts, SystemClock, TrusteeDomain};
use jeroboam_kubernetes::KubernetesDriver;
use jeroboam_pki::Keyring;
use jeroboam_simcloud::{Pace, SimCloud};
use jeroboam_store::{ClusterRow, Ident, Scope as Visible, Store, StoreError};
use jeroboam_swarm::SwarmDriver;
use jeroboam_types::{ClusterId, ClusterTemplate, Coe, Labels, ServerType, Status, TemplateId};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that a test needs.
pub struct House {
    pub cloud: SimCloud,
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub identity: IdentityMode,
    pub drivers: Drivers,
    connector: Connector,
    resolved: Resolved,
    template: ClusterTemplate,
    user_id: String,
    project_id: String,
    directory: tempfile::TempDir,
}

/// A running engine.
pub struct Running {
    pub engine: Engine,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops in an orderly way.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Dies where it stands, as by SIGKILL: nothing is finished or given back.
    pub async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl House {
    pub async fn build() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let pace = Pace {
            server_build_ms: 30,
            server_delete_ms: 20,
            volume_ms: 20,
            load_balancer_ms: 30,
        };
        let options = jeroboam_simcloud::Options {
            pace,
            roomy: true,
            ..Default::default()
        };
        let cloud = SimCloud::start(options).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}", directory.path().join("db.sqlite").display());
        let store = Store::connect(&url, 4).await.unwrap();
        store.migrate().await.unwrap();
        let keyring = Arc::new(Keyring::open_or_create(&directory.path().join("master.key")).unwrap());
        let mut cloud_options = jeroboam_cloud::Options::new(cloud.auth_url());
        cloud_options.call_timeout = Duration::from_secs(2);
        let connector = Connector::new(cloud_options, 32).unwrap();
        let demo = login(&connector, "demo", "default", project("demo"));
        let token = demo.token().await.unwrap();
        let resolved = resolve(&demo).await;
        let template = template(&token.user_id, token.project_id.as_deref().unwrap());
        store.templates().insert(&template).await.unwrap();
        Self {
            user_id: token.user_id.clone(),
            project_id: token.project_id.clone().unwrap(),
            identity: IdentityMode::Grant,
            drivers: Drivers::new(vec![Arc::new(SwarmDriver)]),
            cloud,
            store,
            keyring,
            connector,
            resolved,
            template,
            directory,
        }
    }

    /// From now on clusters are of Kubernetes.
    pub async fn build_kubernetes(&mut self) {
        self.drivers = Drivers::new(vec![Arc::new(KubernetesDriver::default())]);
        self.resolved.kube_version = Some("v1.31.2".to_owned());
        let template = &mut self.template;
        template.uuid = TemplateId(Uuid::new_v4());
        template.coe = Coe::Kubernetes;
        template.driver = Some("kubernetes".to_owned());
        template.network_driver = Some("neutron".to_owned());
        template.cluster_distro = Some("ubuntu".to_owned());
        self.store.templates().insert(&self.template).await.unwrap();
    }

    /// A session of the tenant.
    pub fn tenant(&self) -> Session {
        login(&self.connector, "demo", "default", project("demo"))
    }

    /// A session of the cloud's administrator.
    pub fn admin(&self) -> Session {
        login(&self.connector, "admin", "default", project("admin"))
    }

    /// A call of the tenant that our client does not make; `path` begins at the service's endpoint.
    pub async fn post(&self, service: Service, path: &str, body: serde_json::Value) {
        let token = self.tenant().token().await.unwrap();
        let endpoint = token.catalog.endpoint(service, Interface::Public, None).unwrap();
        let answer = reqwest::Client::new()
            .post(format!("{endpoint}{path}"))
            .header("x-auth-token", token.token.expose_secret())
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{status} {}", answer.text().await.unwrap());
    }

    /// An engine that has taken over whatever an earlier one of the same name held.
    pub async fn engine(&self, change: impl FnOnce(&mut Options)) -> Running {
        let mut options = self.options();
        change(&mut options);
        self.store.engine().release_all(&options.owner).await.unwrap();
        let trustee_admin = login(
            &self.connector,
            "magnum_domain_admin",
            "magnum",
            Scope::Domain(DomainName::Name("magnum".into())),
        );
        let engine = Engine::new(Parts {
            store: self.store.clone(),
            connector: self.connector.clone(),
            service: login(&self.connector, "magnum", "default", project("service")),
            trustee_admin,
            drivers: self.drivers.clone(),
            keyring: Arc::clone(&self.keyring),
            clock: Arc::new(SystemClock),
            options,
        })
        .unwrap();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let worker = engine.clone();
        let task = tokio::spawn(async move { worker.run(Arc::new(Notify::new()), token).await });
        Running { engine, stop, task }
    }

    fn options(&self) -> Options {
        let budget = Duration::from_secs(20);
        Options {
            owner: "test".to_owned(),
            workers: 8,
            steps_per_cluster: 16,
            lease: Duration::from_secs(10),
            poll_interval: Duration::from_millis(20),
            call_timeout: Duration::from_secs(2),
            retry_limit: 5,
            settle_time: Duration::from_millis(200),
            budgets: Budgets {
                server: budget,
                load_balancer: budget,
                volume: budget,
                coe: budget,
                other: budget,
            },
            identity: self.identity,
            trustee_domain: TrusteeDomain::Name("magnum".to_owned()),
            roles: vec!["member".to_owned()],
            trust_server_active: true,
            drain_limit: Duration::from_secs(5),
            update_limit: Duration::from_secs(60),
            certificate_days: 10,
            bootstrap: None,
            health: None,
            diagnose_after: Duration::from_secs(60),
            rsa_bits: 2_048,
        }
    }

    /// The cluster, unless it is gone.
    pub async fn show(&self, cluster: ClusterId) -> Option<ClusterRow> {
        match self
            .store
            .clusters()
            .find(&Visible::All, &Ident::Uuid(cluster.0))
            .await
        {
            Ok(row) => Some(row),
            Err(StoreError::NotFound) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The cluster once it is no longer in progress.
    pub async fn settled(&self, cluster: ClusterId) -> ClusterRow {
        within(async {
            loop {
                let row = self.show(cluster).await.expect("the cluster is there");
                if !row.cluster.status.is_in_progress() {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    /// Ids of a kind of resource in the cloud by their names, without the cluster's prefix.
    pub fn ids(&self, kind: &str) -> BTreeMap<String, String> {
        let usage = self.cloud.usage();
        let items = usage.items.iter().filter(|item| item.kind == kind);
        items
            .map(|item| {
                let name = item.name.splitn(3, '-').last().unwrap().to_owned();
                (name, item.id.clone())
            })
            .collect()
    }

    /// Flavors that the servers of a cluster were made with, by the names of the nodes.
    pub async fn flavors(&self, cluster: ClusterId) -> BTreeMap<String, String> {
        let ledger = self.store.clusters().ledger(cluster).await.unwrap();
        let servers = ledger.values().filter_map(|entry| match &entry.spec {
            Spec::Server(server) => Some((entry.key.name().to_owned(), server.flavor_id.clone())),
            _ => None,
        });
        servers.collect()
    }

    /// The cluster once it is no longer in progress; fails unless it has the status.
    pub async fn settled_as(&self, cluster: ClusterId, status: Status) -> ClusterRow {
        let row = self.settled(cluster).await;
        assert_eq!(row.cluster.status, status, "{:?}", row.cluster.status_reason);
        row
    }

    /// Password of a cluster's identity as it is sealed.
    pub async fn password(&self, cluster: ClusterId) -> SecretString {
        let row = self
            .store
            .engine()
            .find_sealed(cluster, "identity/password")
            .await
            .unwrap()
            .unwrap();
        let place = format!("sealed/{cluster}/identity/password");
        self.keyring.open_text(&place, &row.sealed).unwrap()
    }

    /// Id of a cluster's identity.
    pub async fn identity_of(&self, cluster: ClusterId) -> String {
        let ledger = self.store.clusters().ledger(cluster).await.unwrap();
        ledger[&Key::new("identity", "main")].id.clone().unwrap()
    }

    /// True if Keystone takes the password of a user.
    pub async fn can_log_in(&self, user: &str, password: &SecretString) -> bool {
        let session = self.connector.session(Credentials::Password {
            user: UserName::Id(user.to_owned()),
            password: password.clone(),
            scope: Scope::Project {
                id: self.project_id.clone(),
            },
        });
        session.token().await.is_ok()
    }

    /// Names of the servers, without the cluster's prefix.
    pub fn servers(&self) -> Vec<String> {
        let usage = self.cloud.usage();
        let servers = usage.items.iter().filter(|item| item.kind == "servers");
        let mut names: Vec<String> = servers
            .map(|item| item.name.splitn(3, '-').last().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    /// Deletes and waits; then nothing may be left in the cloud.
    pub async fn delete_and_look(&self, cluster: ClusterId) {
        self.ask_delete(cluster).await;
        self.gone(cluster).await;
        self.nothing_left();
    }

    /// Kills the engine when the cloud has had so many calls since its start, or when nothing is under way any more.
    pub async fn crash_at(&self, engine: Running, cluster: ClusterId, call: u64) {
        within(async {
            while self.cloud.calls().total < call
                && let Some(row) = self.show(cluster).await
                && row.cluster.status.is_in_progress()
            {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        })
        .await;
        engine.crash().await;
    }

    /// Waits until the cluster is gone.
    pub async fn gone(&self, cluster: ClusterId) {
        within(async {
            while let Some(row) = self.show(cluster).await {
                assert_ne!(
                    row.cluster.status,
                    Status::DeleteFailed,
                    "{:?}",
                    row.cluster.status_reason
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// All that the database has written.
    pub fn files(&self) -> String {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        let all: Vec<u8> = files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Fails if anything is left in the cloud.
    pub fn nothing_left(&self) {
        let usage = self.cloud.usage();
        assert!(usage.is_empty(), "left behind: {:#?}", usage.items);
    }
}

/// Fails instead of hanging.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

fn login(connector: &Connector, user: &str, domain: &str, scope: Scope) -> Session {
    let domain = match domain {
        "default" => DomainName::Id(domain.to_owned()),
        name => DomainName::Name(name.to_owned()),
    };
    let user = UserName::Name {
        name: user.to_owned(),
        domain,
    };
    connector.session(Credentials::Password {
        user,
        password: "secret".to_owned().into(),
        scope,
    })
}

fn project(name: &str) -> Scope {
    Scope::ProjectName {
        name: name.to_owned(),
        domain: DomainName::Id("default".to_owned()),
    }
}

async fn resolve(session: &Session) -> Resolved {
    let one = |found: Option<String>| found.expect("it is seeded");
    let image = jeroboam_cloud::image::find_image(session, "debian-12-docker")
        .await
        .unwrap();
    let flavor = jeroboam_cloud::compute::find_flavor(session, "m1.small")
        .await
        .unwrap();
    let network = jeroboam_cloud::network::find_network(session, "public", Some(true))
        .await
        .unwrap();
    Resolved {
        image_id: one(Find::one(image).map(|image| image.id)),
        flavors: BTreeMap::from([(
            "m1.small".to_owned(),
            one(Find::one(flavor).map(|flavor| flavor.id)),
        )]),
        external_network_id: Find::one(network).map(|network| network.id),
        ..Resolved::default()
    }
}

fn template(user: &str, project: &str) -> ClusterTemplate {
    ClusterTemplate {
        uuid: TemplateId(Uuid::new_v4()),
        project_id: project.into(),
        user_id: user.into(),
        name: Some("swarm".to_owned()),
        coe: Coe::SwarmMode,
        image_id: "debian-12-docker".to_owned(),
        flavor_id: Some("m1.small".to_owned()),
        master_flavor_id: Some("m1.small".to_owned()),
        keypair_id: None,
        external_network_id: Some("public".to_owned()),
        fixed_network: None,
        fixed_subnet: None,
        dns_nameserver: None,
        network_driver: Some("docker".to_owned()),
        volume_driver: None,
        apiserver_port: None,
        docker_volume_size: None,
        docker_storage_driver: None,
        cluster_distro: Some("debian".to_owned()),
        driver: Some("swarm".to_owned()),
        http_proxy: None,
        https_proxy: None,
        no_proxy: None,
        insecure_registry: None,
        labels: Labels::default(),
        server_type: ServerType::Vm,
        registry_enabled: false,
        tls_disabled: false,
        public: false,
        hidden: false,
        master_lb_enabled: false,
        floating_ip_enabled: true,
        tags: None,
        created_at: Utc::now(),
        updated_at: None,
    }
}
