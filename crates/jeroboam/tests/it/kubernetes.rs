//! Kubernetes clusters on servers that are rows of a table: everything but the nodes' own work.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::machines::{demo, event};
use crate::rig::{Rig, free_port, http};

#[test]
fn a_cluster_of_three_masters_is_made_by_the_beta_driver_and_leaves_nothing() {
    let arguments = ["--nodes", "state-only", "--coe", "kubernetes", "--masters", "3"];
    let events = demo(&arguments);
    let complete = event(&events, "complete");
    let api = complete["api_address"].as_str().unwrap();
    assert!(
        api.starts_with("https://") && api.ends_with(":6443"),
        "{complete}"
    );
    assert_eq!(complete["master_addresses"].as_array().map(Vec::len), Some(3));
    assert_eq!(complete["node_addresses"].as_array().map(Vec::len), Some(2));
    event(&events, "clean");
}

/// A tenant without a client program.
struct Tenant<'a> {
    rig: &'a Rig,
    token: String,
}

impl<'a> Tenant<'a> {
    async fn log_in(rig: &'a Rig) -> Self {
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": "demo", "domain": domain, "password": "secret"}}},
            "scope": {"project": {"name": "demo", "domain": domain}},
        }});
        let tokens = format!("{}/auth/tokens", rig.cloud.auth_url());
        let answer = http().post(tokens).json(&body).send().await.unwrap();
        let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        Self { rig, token }
    }

    /// Status and body of an answer.
    async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = http()
            .request(method, self.rig.url(&format!("/v1/{path}")))
            .header("X-Auth-Token", &self.token)
            .header("OpenStack-API-Version", "container-infra latest");
        let answer = request.json(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn template(&self, name: &str, version: &str) -> String {
        self.template_of(&template(name, version)).await
    }

    async fn template_of(&self, body: &Value) -> String {
        let (status, made) = self.call(Method::POST, "clustertemplates", body).await;
        assert_eq!(status, 201, "{made}");
        made["uuid"].as_str().unwrap().to_owned()
    }

    /// Must be refused with 400 and words that name what is wrong.
    async fn refused(&self, path: &str, body: Value, named: &str) {
        let (status, answer) = self.call(Method::POST, path, &body).await;
        let said = answer["errors"][0]["detail"].as_str().unwrap_or_default();
        assert!(
            status == 400 && said.contains(named),
            "{path} {body} answers {status}: {answer}, not of {named}"
        );
    }

    async fn settled(&self, cluster: &str) -> Value {
        for _ in 0..600 {
            let (_, shown) = self
                .call(Method::GET, &format!("clusters/{cluster}"), &Value::Null)
                .await;
            if shown["status"]
                .as_str()
                .is_some_and(|status| status.ends_with("_COMPLETE"))
            {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{cluster} is never complete");
    }
}

fn template(name: &str, version: &str) -> Value {
    json!({
        "name": name, "coe": "kubernetes", "image_id": "debian-12-docker", "flavor_id": "m1.small",
        "master_flavor_id": "m1.small", "external_network_id": "public", "network_driver": "neutron",
        "labels": {"kube_tag": version},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_its_name_before_anything_is_built() {
    let options = "enabled_beta_drivers = kubernetes\n[engine]\nsource_cidrs = 198.51.100.0/28\n";
    let mut rig = Rig::prepare(options, "http", http()).await;
    rig.start_service().await;
    let tenant = Tenant::log_in(&rig).await;
    let present = tenant.template("present", "v1.31.2").await;
    let cluster = |change: Value| {
        let mut body = json!({"name": "demo", "cluster_template_id": present, "merge_labels": true});
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        body
    };
    for (change, field) in [
        (json!({"master_count": 2}), "master_count"),
        (
            json!({"labels": {"auto_scaling_enabled": "true", "cloud_provider_enabled": "true"}}),
            "labels.auto_scaling_enabled: this service has no endpoint",
        ),
        (json!({"master_count": 3}), "master_count"),
        (
            json!({"master_count": 9, "master_lb_enabled": true}),
            "master_count",
        ),
        (json!({"node_count": -1}), "node_count"),
        (json!({"node_count": 250}), "labels.fixed_subnet_cidr"),
        (json!({"flavor_id": "m9.none"}), "m9.none"),
        (json!({"master_flavor_id": "m9.none"}), "m9.none"),
        (json!({"fixed_network": "none"}), "none"),
    ] {
        tenant.refused("clusters", cluster(change), field).await;
    }
    for (name, value) in [
        ("kube_tag", "latest"),
        ("kube_tag", "v1.19.0"),
        ("flannel_network_cidr", "10.100.0.0/20"),
        ("flannel_network_cidr", "10.0.0.0/8"),
        ("service_cluster_ip_range", "10.254.0.0/30"),
        ("fixed_subnet_cidr", "10.0.0.0/29"),
        ("etcd_volume_size", "big"),
        ("boot_volume_size", "-1"),
        ("extra_volumes", "/etc:5"),
        ("coredns_enabled", "perhaps"),
        ("cgroup_driver", "none"),
        ("octavia_lb_algorithm", "RANDOM"),
        ("master_lb_allowed_cidrs", "everybody"),
        ("registry_mirrors", "docker.io"),
        ("kubelet_options", "--max-pods=many"),
        ("kubelet_options", "--max-pods=500"),
        ("kubeapi_options", "--etcd-servers=http://elsewhere"),
        ("admission_control_list", "not/one"),
        ("audit_log_maxage", "-1"),
        ("oidc_issuer_url", "http://plain"),
    ] {
        let change = json!({"labels": {name: value}});
        tenant
            .refused("clusters", cluster(change), &format!("labels.{name}"))
            .await;
    }
    let mut volumes = template("volumes", "v1.31.2");
    volumes["volume_driver"] = json!("cinder");
    let volumes = tenant.template_of(&volumes).await;
    let without = json!({"cluster_template_id": volumes, "labels": {"cinder_csi_enabled": "false"}});
    tenant
        .refused("clusters", cluster(without), "volume_driver")
        .await;
    assert!(rig.cloud.usage().is_empty());

    // Ten nodes, gateway, DHCP and load balancer fill this subnet.
    let full = json!({"node_count": 9, "labels": {"fixed_subnet_cidr": "10.0.0.0/28"}});
    let (status, answer) = tenant.call(Method::POST, "clusters", &cluster(full)).await;
    assert_eq!(status, 202, "{answer}");
    tenant.settled("demo").await;
    let (resize, upgrade) = ("clusters/demo/actions/resize", "clusters/demo/actions/upgrade");
    let groups = "clusters/demo/nodegroups";
    let patch = tenant.template("patch", "v1.31.3").await;
    tenant
        .refused(resize, json!({"node_count": 10}), "labels.fixed_subnet_cidr")
        .await;
    tenant
        .refused(
            groups,
            json!({"name": "more", "node_count": 1}),
            "labels.fixed_subnet_cidr",
        )
        .await;
    let workers = |template: &str, batch: u32| json!({"cluster_template": template, "nodegroup": "default-worker", "max_batch_size": batch});
    tenant
        .refused(upgrade, workers(&patch, 1), "labels.fixed_subnet_cidr")
        .await;
    let (status, answer) = tenant.call(Method::POST, resize, &json!({"node_count": 8})).await;
    assert_eq!(status, 202, "{answer}");
    tenant.settled("demo").await;
    // One new node before an old one goes has room now, two have not.
    tenant
        .refused(upgrade, workers(&patch, 2), "max_batch_size")
        .await;
    for version in ["v1.32.0", "v1.27.0"] {
        let other = tenant.template(version, version).await;
        tenant
            .refused(upgrade, workers(&other, 1), "cluster_template")
            .await;
    }
    let marked = |more: Value| {
        let mut body = json!({"name": "more", "node_count": 0});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    for (more, field) in [
        (json!({"flavor_id": "m9.none"}), "m9.none"),
        (
            json!({"labels": {"extra_volumes": "/srv"}}),
            "labels.extra_volumes",
        ),
    ] {
        tenant.refused(groups, marked(more), field).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_are_scaled_where_they_reach_the_service() {
    let endpoint = format!("127.0.0.1:{}", free_port());
    let options = format!(
        "enabled_beta_drivers = kubernetes\n[bootstrap]\nurl = https://{endpoint}\nlisten = {endpoint}\n"
    );
    let mut rig = Rig::prepare(&options, "http", http()).await;
    rig.start_service().await;
    let tenant = Tenant::log_in(&rig).await;
    let template = tenant.template("scaled", "v1.31.2").await;
    let labels =
        json!({"auto_scaling_enabled": "true", "cloud_provider_enabled": "true", "max_node_count": "4"});
    let body = json!({"name": "demo", "cluster_template_id": template, "merge_labels": true, "node_count": 2,
        "labels": labels});
    let (status, made) = tenant.call(Method::POST, "clusters", &body).await;
    assert_eq!(status, 202, "{made}");
    let cluster = made["uuid"].as_str().unwrap();
    tenant.settled(cluster).await;
    let workers = format!("clusters/{cluster}/nodegroups/default-worker");
    let (_, workers) = tenant.call(Method::GET, &workers, &Value::Null).await;
    assert_eq!(
        (&workers["min_node_count"], &workers["max_node_count"]),
        (&json!(0), &json!(4))
    );
    let (_, steps) = tenant
        .call(Method::GET, &format!("clusters/{cluster}/steps"), &Value::Null)
        .await;
    assert!(steps.to_string().contains("add-on:cluster-autoscaler"), "{steps}");
    let text = std::fs::read_to_string(rig.log()).unwrap();
    assert!(text.contains("nodes fetch their keys here"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_clusters_are_for_services_that_masters_can_come_to() {
    let endpoint = format!("127.0.0.1:{}", free_port());
    let beta = "enabled_beta_drivers = kubernetes\n";
    let options = format!("{beta}[bootstrap]\nurl = https://{endpoint}\nlisten = {endpoint}\n");
    let mut with = Rig::prepare(&options, "http", http()).await;
    let mut without = Rig::prepare(beta, "http", http()).await;
    for (rig, has_endpoint) in [(&mut with, true), (&mut without, false)] {
        rig.start_service().await;
        let tenant = Tenant::log_in(rig).await;
        let template = tenant.template("private", "v1.31.2").await;
        let cluster = |floating: bool| {
            json!({"name": "demo", "cluster_template_id": template, "merge_labels": true,
                "floating_ip_enabled": floating, "labels": {"private_cluster_enabled": "true"}})
        };
        let field = "labels.private_cluster_enabled";
        tenant.refused("clusters", cluster(true), field).await;
        if !has_endpoint {
            tenant.refused("clusters", cluster(false), field).await;
            continue;
        }
        let (status, made) = tenant.call(Method::POST, "clusters", &cluster(false)).await;
        assert_eq!(status, 202, "{made}");
        let uuid = made["uuid"].as_str().unwrap();
        // Nobody but its masters gets its calls.
        let nodes = reqwest::Client::builder().tls_danger_accept_invalid_certs(true);
        let nodes = nodes.build().unwrap();
        let calls = format!("https://{endpoint}/v1/clusters/{uuid}/api-calls");
        for (method, url) in [
            (Method::POST, calls.clone()),
            (Method::PUT, format!("{calls}/{uuid}?status=200")),
            (Method::GET, calls),
        ] {
            let answer = nodes.request(method, url).send().await.unwrap();
            assert_eq!(answer.status(), 404);
            assert_eq!(answer.text().await.unwrap(), "");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_masters_without_a_load_balancer_may_have_the_address_of_a_port_without_a_server() {
    let mut rig = Rig::prepare("enabled_beta_drivers = kubernetes\n", "http", http()).await;
    rig.start_service().await;
    let tenant = Tenant::log_in(&rig).await;
    let template = tenant.template("lent", "v1.31.2").await;
    let cluster = |more: Value| {
        let mut body = json!({"name": "demo", "cluster_template_id": template, "merge_labels": true, "master_count": 3,
            "labels": {"virtual_ip_enabled": "true"}});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let both = cluster(json!({"master_lb_enabled": true}));
    tenant
        .refused("clusters", both, "labels.virtual_ip_enabled")
        .await;
    let wrong = cluster(json!({"labels": {"virtual_ip_enabled": "perhaps"}}));
    tenant
        .refused("clusters", wrong, "labels.virtual_ip_enabled")
        .await;
    let (status, made) = tenant
        .call(
            Method::POST,
            "clusters",
            &cluster(json!({"floating_ip_enabled": true})),
        )
        .await;
    assert_eq!(status, 202, "{made}");
    let shown = tenant.settled("demo").await;
    let of_neutron = |kind: &'static str| {
        let url = rig.cloud.auth_url().replace("/identity/v3", "/networking/v2.0/");
        let request = http().get(url + kind).header("X-Auth-Token", &tenant.token);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap()[kind].take() }
    };
    let ports = of_neutron("ports").await;
    let named = |part: &str| -> Vec<Value> {
        let named = |port: &&Value| port["name"].as_str().unwrap().contains(part);
        ports.as_array().unwrap().iter().filter(named).cloned().collect()
    };
    let [lent] = &named("-api")[..] else {
        panic!("{ports}")
    };
    assert_eq!(lent["device_id"], "");
    let address = &lent["fixed_ips"][0]["ip_address"];
    let (masters, workers) = (named("-master-"), named("-worker-"));
    assert_eq!((masters.len(), workers.len()), (3, 1));
    let allowed = |port: &Value| {
        port["allowed_address_pairs"]
            .to_string()
            .contains(&address.to_string())
    };
    assert!(
        masters.iter().all(allowed) && !workers.iter().any(allowed),
        "{ports}"
    );
    let floating = of_neutron("floatingips").await;
    let leads = |one: &&Value| one["port_id"] == lent["id"];
    let floating = floating.as_array().unwrap().iter().find(leads).unwrap()["floating_ip_address"].clone();
    assert_eq!(
        shown["api_address"],
        format!("https://{}:6443", floating.as_str().unwrap())
    );
    assert_eq!(shown["master_addresses"].as_array().map(Vec::len), Some(3));

    // One more is no other way in.
    let groups = "clusters/demo/nodegroups/default-master";
    let (_, group) = tenant.call(Method::GET, groups, &Value::Null).await;
    let resize = json!({"node_count": 5, "nodegroup": group["uuid"]});
    let (status, answer) = tenant
        .call(Method::POST, "clusters/demo/actions/resize", &resize)
        .await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(tenant.settled("demo").await["api_address"], shown["api_address"]);
    let (status, _) = tenant.call(Method::DELETE, "clusters/demo", &Value::Null).await;
    assert_eq!(status, 204);
    for _ in 0..600 {
        if rig.cloud.usage().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("left: {:?}", rig.cloud.usage());
}
