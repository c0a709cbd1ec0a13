//! Charts, rendered by the real helm.

use super::*;

/// The program, as `cargo xtask setup` installs it.
fn helm() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty());
    let cache = cache.map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"));
    let helm = cache.join("jeroboam/helm/bin/helm");
    assert!(helm.exists(), "helm is not installed: run `cargo xtask setup`");
    helm
}

fn driver(catalogue: &str) -> KubernetesDriver {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("catalogue.yaml"), catalogue).unwrap();
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: market}\n";
    std::fs::write(home.path().join("market.yaml"), namespace).unwrap();
    KubernetesDriver::new(AddOnSettings {
        catalogue: Catalogue::load(&home.path().join("catalogue.yaml")).unwrap(),
        helm: helm(),
        cloud_authority: None,
        verify_cloud: true,
        has_endpoint: true,
        keystone_auth_policy: KeystonePolicy::default(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_applied_into_its_namespace_mended_and_removed() {
    let house = House::build().await;
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chart");
    let driver = driver(&format!(
        "- name: shop\n  default: true\n  versions: [{{kubernetes: '1.20', version: v1}}]\n  manifests:\n  \
         - {{file: market.yaml}}\n  \
         - {{chart: {{file: '{}', namespace: market, values: {{greeting: '${{cluster_name}}'}}}}}}\n",
        chart.display()
    ));
    let mut wish = ask(&[]);
    wish.resolved.defaults.add_ons.clear();
    let all = add_ons(&driver, &wish);
    let (name, revision) = ("shop", &all["shop"]);
    apply(&house, &driver, &wish, (name, revision), &cloud(&[])).await;

    let definition = house
        .read("apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com")
        .await;
    assert!(definition["metadata"]["namespace"].is_null());
    let path = "apis/apps/v1/namespaces/market/deployments/shop";
    let deployment = house.read(path).await;
    let environment = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(environment[0]["value"], wish.cluster.name.as_str());
    assert_eq!(environment[1]["value"], "v1.20.2");
    let role = "apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/till";
    assert!(house.exists(role).await);

    let drift = async || driver.look_for_drift(name, revision, &house.access).await;
    assert_eq!(drift().await, Drift::None);
    house.api.must_change(Method::DELETE, path, None).await.unwrap();
    assert_eq!(
        drift().await,
        Drift::Found("Deployment.apps market/shop was deleted".to_owned())
    );
    apply(&house, &driver, &wish, (name, revision), &cloud(&[])).await;
    assert!(house.exists(path).await);
    assert_eq!(drift().await, Drift::None);
    // The same again changes nothing: what helm makes is the same each time.
    let version = async || house.read(path).await["metadata"]["resourceVersion"].clone();
    let before = version().await;
    apply(&house, &driver, &wish, (name, revision), &cloud(&[])).await;
    assert_eq!(version().await, before);

    // A namespace stays until controllers have emptied it, of which there are none here.
    let begun = Instant::now();
    while house.exists(path).await || house.exists(role).await {
        driver.remove_add_on(name, &house.access).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not go");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
