//! Add-ons on a real Kubernetes API: etcd and kube-apiserver as processes, without nodes and controllers. What those
//! would write into the state of objects, the tests write. `cargo xtask e2e addons` runs this; `E2E_KUBERNETES` is the
//! directory of the programs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of a test may panic"
)]

#[path = "apiserver/charts.rs"]
mod charts;
#[path = "apiserver/keystone.rs"]
mod keystone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jeroboam_addons::{Catalogue, KeystonePolicy};
use jeroboam_blueprint::api::{Api, Method};
use jeroboam_blueprint::testkit;
use jeroboam_driver::graph::MadeResource;
use jeroboam_driver::{
    Access, AddOnAsk, AddOnState, Ask, Authority, CertificateRequest, Certificates, CloudAccess, CloudLogin,
    Departure, Drift, Driver, Key, KeyPair, Made, ServiceAccess, Spec,
};
use jeroboam_kubernetes::{AddOnSettings, KubernetesDriver};
use jeroboam_pki::{RsaBits, RsaPair};
use jeroboam_types::Coe;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct House {
    access: Access,
    api: Api,
    _processes: [Process; 2],
    directory: tempfile::TempDir,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn start(program: &Path, log: PathBuf, arguments: &[String]) -> Process {
    let log = std::fs::File::create(log).unwrap();
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    Process(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display())))
}

/// Directory of the programs.
fn programs() -> PathBuf {
    PathBuf::from(std::env::var("E2E_KUBERNETES").expect("E2E_KUBERNETES names the programs"))
}

impl House {
    async fn build() -> Self {
        Self::build_with(|_| vec!["--authorization-mode=RBAC".to_owned()]).await
    }

    /// With more arguments of the API server, which may name files in the directory: `ca.crt` is the authority.
    async fn build_with(more: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let programs = programs();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::write(path(name), text).unwrap();
            path(name).display().to_string()
        };
        let request = CertificateRequest {
            common_name: "kube-apiserver".into(),
            organizations: vec![],
            addresses: vec!["127.0.0.1".into()],
            names: vec![],
            server: true,
            client: false,
            days: None,
        };
        let certificates = testkit::certificates();
        let own = certificates.issue(Authority::Cluster, &request).unwrap();
        let authority = write("ca.crt", &certificates.authority(Authority::Cluster).unwrap());
        let certificate = write("api.crt", &own.certificate);
        let key = write("api.key", own.key.expose_secret());
        let tokens = RsaPair::generate(RsaBits::Rsa2048).unwrap();
        let public = write("sa.pub", &tokens.public_pem);
        let private = write("sa.key", tokens.key_pem.expose_secret());
        let (etcd, peers, port) = (free_port(), free_port(), free_port());
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let data = path("etcd").display().to_string();
        let etcd_arguments = words(format!(
            "--data-dir {data} --listen-client-urls http://127.0.0.1:{etcd} --advertise-client-urls \
             http://127.0.0.1:{etcd} --listen-peer-urls http://127.0.0.1:{peers} --initial-advertise-peer-urls \
             http://127.0.0.1:{peers} --initial-cluster default=http://127.0.0.1:{peers} --unsafe-no-fsync"
        ));
        let mut api_arguments = words(format!(
            "--etcd-servers=http://127.0.0.1:{etcd} --bind-address=127.0.0.1 --secure-port={port} \
             --client-ca-file={authority} --tls-cert-file={certificate} --tls-private-key-file={key} \
             --service-account-key-file={public} --service-account-signing-key-file={private} \
             --service-account-issuer=https://kubernetes.default.svc \
             --service-cluster-ip-range=10.254.0.0/16 --allow-privileged=true --disable-admission-plugins=ServiceAccount \
             --cert-dir={}",
            path("certificates").display()
        ));
        api_arguments.extend(more(directory.path()));
        let processes = [
            start(&programs.join("etcd"), path("etcd.log"), &etcd_arguments),
            start(&programs.join("kube-apiserver"), path("api.log"), &api_arguments),
        ];
        let access = testkit::access(format!("https://127.0.0.1:{port}"), Authority::Cluster);
        let api = Api::new("Kubernetes API", &access).unwrap();
        let house = Self {
            access,
            api,
            _processes: processes,
            directory,
        };
        let begun = Instant::now();
        while !house.is_ready().await {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the API does not become ready"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        house
    }

    async fn is_ready(&self) -> bool {
        let answers = match self.api.ask("readyz").await {
            Ok(answer) => answer.status().is_success(),
            Err(_) => false,
        };
        answers
            && self
                .api
                .ask("api/v1/namespaces/kube-system")
                .await
                .unwrap()
                .status()
                .is_success()
    }

    async fn read(&self, path: &str) -> Value {
        self.api.load(path, 32 << 20, |_| None).await.unwrap()
    }

    async fn exists(&self, path: &str) -> bool {
        self.api.ask(path).await.unwrap().status().is_success()
    }

    async fn change(&self, method: Method, path: &str, media: &str, body: &Value) {
        let (status, message) = self.api.change(method, path, Some((media, body))).await.unwrap();
        assert!(status.is_success(), "{path}: {status} {message}");
    }

    async fn make(&self, path: &str, body: Value) {
        self.change(Method::POST, path, "application/json", &body).await;
    }

    /// Writes the state of an object, as a controller or a kubelet would.
    async fn tell(&self, path: &str, status: Value) {
        let path = format!("{path}/status");
        let body = json!({ "status": status });
        self.change(Method::PATCH, &path, "application/merge-patch+json", &body)
            .await;
    }

    /// Members of an add-on's set of some kinds: path of the list, name, and version of the object.
    async fn members(&self) -> BTreeMap<String, String> {
        let lists = [
            "api/v1/secrets",
            "api/v1/serviceaccounts",
            "api/v1/services",
            "apis/rbac.authorization.k8s.io/v1/clusterroles",
            "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "apis/rbac.authorization.k8s.io/v1/rolebindings",
            "apis/rbac.authorization.k8s.io/v1/roles",
            "apis/apps/v1/deployments",
            "apis/apps/v1/daemonsets",
            "apis/storage.k8s.io/v1/storageclasses",
            "apis/storage.k8s.io/v1/csidrivers",
            "apis/apiregistration.k8s.io/v1/apiservices",
        ];
        let mut members = BTreeMap::new();
        for list in lists {
            let path = format!("{list}?labelSelector=applyset.kubernetes.io%2Fpart-of");
            for item in self.read(&path).await["items"].as_array().unwrap() {
                let text = |pointer: &str| item.pointer(pointer).unwrap().as_str().unwrap().to_owned();
                members.insert(
                    format!("{list} {}", text("/metadata/name")),
                    text("/metadata/resourceVersion"),
                );
            }
        }
        members
    }
}

/// One master and one worker, with everything that ships.
fn ask(labels: &[(&str, &str)]) -> Ask {
    let mut ask = testkit::ask(1, 1);
    ask.template.coe = Coe::Kubernetes;
    ask.template.cluster_distro = Some("debian".into());
    ask.template.network_driver = Some("flannel".into());
    ask.resolved.defaults.add_ons = ["cloud-controller-manager", "cinder-csi", "metrics-server"]
        .map(str::to_owned)
        .to_vec();
    ask.cluster.labels.0.insert("kube_tag".into(), "v1.20.2".into());
    ask.cluster.labels.0.extend(
        labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    ask
}

fn made() -> Made {
    let address = |address: &str| MadeResource {
        id: "id".into(),
        facts: BTreeMap::from([("address".to_owned(), json!(address))]),
    };
    Made(BTreeMap::from([
        (Key::new("port", "master-0"), address("10.0.0.5")),
        (Key::new("network", "main"), address("")),
        (Key::new("subnet", "main"), address("")),
    ]))
}

fn cloud(volume_types: &[&str]) -> CloudAccess {
    CloudAccess {
        auth_url: "https://keystone.example:5000".into(),
        region: Some("RegionOne".into()),
        login: CloudLogin::Application {
            id: "credential-id".into(),
            secret: "s3cret".to_owned().into(),
        },
        volume_types: volume_types.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Names and revisions as the graph has them.
fn add_ons(driver: &KubernetesDriver, ask: &Ask) -> BTreeMap<String, String> {
    let graph = driver.graph(ask).unwrap();
    let add_ons = graph.iter().filter_map(|resource| match &resource.spec {
        Spec::AddOn { revision, .. } => Some((resource.key.name().to_owned(), revision.clone())),
        _ => None,
    });
    add_ons.collect()
}

async fn apply(
    house: &House,
    driver: &KubernetesDriver,
    ask: &Ask,
    (name, revision): (&str, &str),
    cloud: &CloudAccess,
) {
    let asked = AddOnAsk {
        ask,
        made: &made(),
        name,
        revision,
        auth_url: Some(&cloud.auth_url),
        cloud: Some(cloud),
        service: None,
    };
    let state = driver.apply_add_on(&asked, &house.access).await;
    assert_eq!(state, AddOnState::NotYet("applied".into()), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ships_is_applied_changed_and_removed_and_nothing_else_is_touched() {
    let (house, driver) = (House::build().await, KubernetesDriver::default());
    let wish = ask(&[("flannel_backend", "vxlan")]);
    house
        .make(
            "api/v1/namespaces/kube-system/configmaps",
            json!({"metadata": {"name": "mine", "labels": {"applyset.kubernetes.io/part-of": "another"}}}),
        )
        .await;
    let all = add_ons(&driver, &wish);
    assert_eq!(all.len(), 4);
    let types = cloud(&["__DEFAULT__", "ssd"]);
    for (name, revision) in &all {
        let look = driver.look_at_add_on(&wish, name, revision, &house.access).await;
        assert_eq!(look, AddOnState::Outdated, "{name}");
        apply(&house, &driver, &wish, (name, revision), &types).await;
        let look = driver.look_at_add_on(&wish, name, revision, &house.access).await;
        assert!(matches!(look, AddOnState::NotYet(_)), "{name}: {look:?}");
    }
    let first = house.members().await;
    assert!(
        first.contains_key("apis/storage.k8s.io/v1/storageclasses cinder-ssd"),
        "{first:?}"
    );
    assert_eq!(first.len(), 29, "{:#?}", first.keys());
    let secret = house
        .read("api/v1/namespaces/kube-system/secrets/cloud-config")
        .await;
    assert!(secret["data"]["cloud.conf"].is_string() && secret["data"].get("ca.pem").is_none());

    // The same again changes nothing.
    for (name, revision) in &all {
        apply(&house, &driver, &wish, (name, revision), &types).await;
    }
    assert_eq!(house.members().await, first);

    // What others add is theirs, and what they write into the state; what they change of ours is seen.
    let drift = async |name: &str| driver.look_for_drift(name, &all[name], &house.access).await;
    for name in all.keys() {
        assert_eq!(drift(name).await, Drift::None, "{name}");
    }
    assert!(matches!(
        driver
            .look_for_drift("cinder-csi", "another", &house.access)
            .await,
        Drift::Found(_)
    ));
    let deployment = "apis/apps/v1/namespaces/kube-system/deployments/metrics-server";
    let merge = "application/merge-patch+json";
    let own = json!({"metadata": {"annotations": {"mine": "1"}}});
    house.change(Method::PATCH, deployment, merge, &own).await;
    house.tell(deployment, json!({"replicas": 1})).await;
    assert_eq!(drift("metrics-server").await, Drift::None);
    let less = json!({"spec": {"template": {"spec": {"priorityClassName": "low"}}}});
    house.change(Method::PATCH, deployment, merge, &less).await;
    let role = "apis/rbac.authorization.k8s.io/v1/clusterroles/system:metrics-server";
    house.api.must_change(Method::DELETE, role, None).await.unwrap();
    let Drift::Found(what) = drift("metrics-server").await else {
        panic!("nobody sees it")
    };
    assert_eq!(
        what,
        "ClusterRole.rbac.authorization.k8s.io system:metrics-server was deleted, \
         Deployment.apps kube-system/metrics-server was changed"
    );
    let name = "metrics-server";
    apply(&house, &driver, &wish, (name, &all[name]), &types).await;
    assert_eq!(drift(name).await, Drift::None);
    let template = house.read(deployment).await["spec"]["template"]["spec"].clone();
    assert_eq!(template["priorityClassName"], "system-cluster-critical");

    // What a tenant has broken is mended, and what is too much goes.
    let daemon_set = "apis/apps/v1/namespaces/kube-system/daemonsets/csi-cinder-nodeplugin";
    house
        .api
        .must_change(Method::DELETE, daemon_set, None)
        .await
        .unwrap();
    let path = "apis/storage.k8s.io/v1/storageclasses/cinder-ssd";
    apply(
        &house,
        &driver,
        &wish,
        ("cinder-csi", &all["cinder-csi"]),
        &cloud(&["__DEFAULT__"]),
    )
    .await;
    assert!(house.exists(daemon_set).await && !house.exists(path).await);

    // Another version is another revision, and is applied in place.
    let wish = ask(&[
        ("cloud_provider_tag", "v1.20.5"),
        ("container_infra_prefix", "registry.example/kube"),
    ]);
    let changed = add_ons(&driver, &wish);
    let name = "cloud-controller-manager";
    let look = driver
        .look_at_add_on(&wish, name, &changed[name], &house.access)
        .await;
    assert_eq!(look, AddOnState::Outdated);
    apply(&house, &driver, &wish, (name, &changed[name]), &types).await;
    let daemon_set = house
        .read("apis/apps/v1/namespaces/kube-system/daemonsets/openstack-cloud-controller-manager")
        .await;
    assert_eq!(
        daemon_set["spec"]["template"]["spec"]["containers"][0]["image"],
        "registry.example/kube/openstack-cloud-controller-manager:v1.20.5"
    );
    assert_eq!(
        daemon_set["metadata"]["uid"].as_str().map(str::is_empty),
        Some(false)
    );

    // Whole removal.
    for name in all.keys().rev() {
        let begun = Instant::now();
        while driver.remove_add_on(name, &house.access).await != Departure::Gone {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} does not go");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(
        house.members().await.keys().collect::<BTreeSet<_>>(),
        BTreeSet::new()
    );
    assert!(
        house
            .exists("api/v1/namespaces/kube-system/configmaps/mine")
            .await
    );
    assert!(
        !house
            .exists("api/v1/namespaces/kube-system/configmaps/jeroboam-add-on-cinder-csi")
            .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_add_on_is_ready_when_its_pods_run_on_all_nodes_and_stuck_without_its_image() {
    let (house, driver) = (House::build().await, KubernetesDriver::default());
    let wish = ask(&[("cloud_provider_enabled", "false")]);
    let all = add_ons(&driver, &wish);
    let (name, revision) = ("metrics-server", &all["metrics-server"]);
    apply(&house, &driver, &wish, (name, revision), &cloud(&[])).await;
    let look = async || driver.look_at_add_on(&wish, name, revision, &house.access).await;
    assert_eq!(
        look().await,
        AddOnState::NotYet("0 of 1 pods of metrics-server are ready".into())
    );

    // A pod as the controllers would make it.
    let deployment = "apis/apps/v1/namespaces/kube-system/deployments/metrics-server";
    let template = house.read(deployment).await["spec"]["template"].clone();
    let pods = "api/v1/namespaces/kube-system/pods";
    let image = template["spec"]["containers"][0]["image"].clone();
    house
        .make(
            pods,
            json!({"metadata": {"name": "metrics-server-1", "labels": template["metadata"]["labels"]},
                "spec": template["spec"]}),
        )
        .await;
    let pod = format!("{pods}/metrics-server-1");
    house
        .tell(
            &pod,
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes fit"}]}),
        )
        .await;
    assert_eq!(
        look().await,
        AddOnState::NotYet("a pod waits for a node: 0/2 nodes fit".into())
    );
    let waiting = json!({"name": "metrics-server", "image": image, "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}});
    house
        .tell(&pod, json!({"conditions": [], "containerStatuses": [waiting]}))
        .await;
    let cause = "Failed to pull image \"x\": dial tcp: lookup registry.k8s.io: no such host";
    house
        .make(
            "api/v1/namespaces/kube-system/events",
            json!({"metadata": {"name": "metrics-server-1.1"}, "reason": "Failed", "type": "Warning", "message": cause,
                "involvedObject": {"kind": "Pod", "namespace": "kube-system", "name": "metrics-server-1"}}),
        )
        .await;
    let stuck = format!(
        "image {} cannot be pulled (ImagePullBackOff): dial tcp: lookup registry.k8s.io: no such host",
        image.as_str().unwrap()
    );
    assert_eq!(look().await, AddOnState::Stuck(stuck));

    house.tell(&pod, json!({"containerStatuses": []})).await;
    let status = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1});
    house.tell(deployment, status).await;
    assert_eq!(look().await, AddOnState::NotYet("0 of 2 nodes are there".into()));
    for node in ["a", "b"] {
        house
            .make("api/v1/nodes", json!({"metadata": {"name": node}}))
            .await;
    }
    assert_eq!(look().await, AddOnState::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_refuses_and_what_is_cut_off_is_told_and_goes_on() {
    let house = House::build().await;
    let home = tempfile::tempdir().unwrap();
    let write = |text: &str| {
        std::fs::write(home.path().join("own.yaml"), text).unwrap();
        let catalogue = "- name: own\n  default: true\n  versions: [{kubernetes: '1.20', version: v1}]\n  \
                         manifests: [{file: own.yaml}]\n";
        std::fs::write(home.path().join("catalogue.yaml"), catalogue).unwrap();
        KubernetesDriver::new(AddOnSettings {
            has_endpoint: true,
            catalogue: Catalogue::load(&home.path().join("catalogue.yaml")).unwrap(),
            helm: "helm".into(),
            cloud_authority: None,
            verify_cloud: true,
            keystone_auth_policy: KeystonePolicy::default(),
        })
    };
    let mut wish = ask(&[]);
    wish.resolved.defaults.add_ons.clear();
    let state = async |driver: &KubernetesDriver| {
        let asked = AddOnAsk {
            ask: &wish,
            made: &made(),
            name: "own",
            revision: "r",
            auth_url: None,
            cloud: None,
            service: None,
        };
        driver.apply_add_on(&asked, &house.access).await
    };
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: own}\n---\napiVersion: v1\nkind: Namespace\n\
                metadata: {name: own}\n---\n";
    let bad = format!(
        "{good}apiVersion: v1\nkind: Service\nmetadata: {{name: b}}\nspec: {{ports: [{{port: 99999}}]}}\n"
    );
    let driver = write(&bad);
    let reason = match state(&driver).await {
        AddOnState::Stuck(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert!(
        reason.contains("does not take Service b: 422") && reason.contains("port"),
        "{reason}"
    );
    // Half of it stands, under no revision, and the next try goes on.
    assert!(house.exists("api/v1/namespaces/own/configmaps/a").await);
    let look = driver.look_at_add_on(&wish, "own", "r", &house.access).await;
    assert_eq!(look, AddOnState::Outdated);
    // Definitions come first, and their objects when the API knows them.
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n\
               spec:\n  group: example.com\n  scope: Namespaced\n  names: {plural: things, kind: Thing}\n  versions:\n  - name: v1\n    \
               served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object, \
               x-kubernetes-preserve-unknown-fields: true}}\n";
    let thing =
        "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t, namespace: own}\nsize: 3\n---\n";
    let driver = write(&format!("{thing}{good}{crd}"));
    let begun = Instant::now();
    loop {
        match state(&driver).await {
            AddOnState::NotYet(reason) if reason == "applied" => break,
            AddOnState::NotYet(reason) => assert!(reason.contains("Thing"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the definition is not served"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(house.exists("apis/example.com/v1/namespaces/own/things/t").await);
    assert!(!house.exists("api/v1/namespaces/kube-system/services/b").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_autoscaler_gets_what_it_is_known_by_and_starts_anew_with_another_certificate() {
    let (house, driver) = (House::build().await, KubernetesDriver::default());
    let mut wish = ask(&[("auto_scaling_enabled", "true"), ("kube_tag", "v1.24.17")]);
    wish.resolved.defaults.add_ons.truncate(1);
    let all = add_ons(&driver, &wish);
    let (name, revision) = ("cluster-autoscaler", &all["cluster-autoscaler"]);
    let service = |certificate: &str| ServiceAccess {
        address: "192.0.2.10:9513".into(),
        authority: "authority\n".into(),
        client: KeyPair {
            certificate: certificate.into(),
            key: "k3y".to_owned().into(),
        },
    };
    let give = async |certificate: &str| {
        let service = service(certificate);
        let asked = AddOnAsk {
            ask: &wish,
            made: &made(),
            name,
            revision,
            auth_url: None,
            cloud: None,
            service: Some(&service),
        };
        let state = driver.apply_add_on(&asked, &house.access).await;
        assert_eq!(state, AddOnState::NotYet("applied".into()));
    };
    give("one").await;
    let members = house.members().await;
    assert_eq!(members.len(), 7, "{:#?}", members.keys());
    let deployment = "apis/apps/v1/namespaces/kube-system/deployments/cluster-autoscaler";
    let annotation = async || {
        let template = house.read(deployment).await["spec"]["template"].clone();
        let container = &template["spec"]["containers"][0];
        assert_eq!(
            container["image"],
            "registry.k8s.io/autoscaling/cluster-autoscaler:v1.24.3"
        );
        assert!(!template.to_string().contains("k3y"));
        template["metadata"]["annotations"]["jeroboam.openstack.org/credential"].to_string()
    };
    let secret = async || {
        let secret = "api/v1/namespaces/kube-system/secrets/cluster-autoscaler";
        let data = house.read(secret).await["data"].clone();
        ["cloud-config", "tls.crt", "tls.key", "ca.crt"].map(|key| {
            let text = BASE64_STANDARD.decode(data[key].as_str().unwrap()).unwrap();
            String::from_utf8(text).unwrap()
        })
    };
    let [config, certificate, key, authority] = secret().await;
    assert!(config.starts_with("address: \"192.0.2.10:9513\"\n"), "{config}");
    assert_eq!(
        [certificate.as_str(), key.as_str(), authority.as_str()],
        ["one", "k3y", "authority\n"]
    );
    assert_eq!(
        driver.look_for_drift(name, revision, &house.access).await,
        Drift::None
    );

    let before = annotation().await;
    give("one").await;
    assert_eq!(annotation().await, before, "the same certificate starts nothing");
    give("two").await;
    assert_ne!(annotation().await, before);
    assert_eq!(secret().await[1], "two");

    let begun = Instant::now();
    while driver.remove_add_on(name, &house.access).await != Departure::Gone {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not go");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(house.members().await.is_empty());
}
