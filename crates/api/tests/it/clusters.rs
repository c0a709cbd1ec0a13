//! Clusters: shapes, defaults, refusals, quota, deletion and progress.

use axum::body::Body;
use axum::http::Request;
use jeroboam_simcloud::keystone::{ApplicationCredential, Scope};
use jeroboam_simcloud::secret::Secret;
use jeroboam_store::Settlement;
use jeroboam_types::{Millis, Status};
use serde_json::{Value, json};

use crate::rig::{Rig, keys, merged};

const SHORT: [&str; 18] = [
    "cluster_id",
    "cluster_template_id",
    "create_timeout",
    "discovery_url",
    "docker_volume_size",
    "flavor_id",
    "floating_ip_enabled",
    "health_status",
    "keypair",
    "labels",
    "links",
    "master_count",
    "master_flavor_id",
    "merge_labels",
    "name",
    "node_count",
    "status",
    "uuid",
];

const MORE: [&str; 17] = [
    "api_address",
    "coe_version",
    "container_version",
    "created_at",
    "fixed_network",
    "fixed_subnet",
    "health_status_reason",
    "labels_added",
    "labels_overridden",
    "labels_skipped",
    "master_addresses",
    "master_lb_enabled",
    "node_addresses",
    "project_id",
    "status_reason",
    "updated_at",
    "user_id",
];

fn sorted<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    let mut all: Vec<&str> = parts.concat();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn a_cluster_exists_before_it_is_accepted_and_has_exactly_magnums_fields() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let labels = json!({"labels": {"a": "1", "kube_tag": "v1"}, "docker_volume_size": 5});
    let template = rig.template(&token, labels).await;
    let body = json!({
        "name": "prod", "cluster_template_id": "swarm-small", "node_count": 2,
        "labels": {"a": 2, "b": "3"}, "discovery_url": null, "keypair": null,
    });
    let answer = rig
        .call(&token, "POST", "/v1/clusters", Some(body))
        .await
        .expect(202);
    assert_eq!(keys(&answer), ["uuid"]);
    let uuid = answer["uuid"].as_str().unwrap();
    let shown = rig.get(&token, &format!("/v1/clusters/{uuid}")).await.expect(200);
    assert_eq!(keys(&shown), sorted(&[&SHORT, &MORE]));
    for (key, value) in [
        ("name", json!("prod")),
        ("cluster_template_id", json!(template)),
        ("node_count", json!(2)),
        ("master_count", json!(1)),
        ("status", json!("CREATE_IN_PROGRESS")),
        ("labels", json!({"a": "2", "b": "3"})),
        ("labels_overridden", json!({"a": "1"})),
        ("labels_added", json!({"b": "3"})),
        ("labels_skipped", json!({"kube_tag": "v1"})),
        ("docker_volume_size", json!(5)),
        ("flavor_id", json!("m1.small")),
        ("create_timeout", json!(60)),
        ("floating_ip_enabled", json!(true)),
        ("master_lb_enabled", json!(false)),
        ("health_status", Value::Null),
        ("health_status_reason", json!({})),
        ("node_addresses", json!([])),
        ("merge_labels", json!(false)),
        ("updated_at", Value::Null),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let prefix = shown["cluster_id"].as_str().unwrap();
    assert!(prefix.starts_with("prod-"), "{prefix}");
    assert_eq!(
        shown["links"][0]["href"],
        format!("http://magnum.example:9511/v1/clusters/{uuid}")
    );

    let list = rig.get(&token, "/v1/clusters").await.expect(200);
    assert_eq!(keys(&list), ["clusters"]);
    assert_eq!(keys(&list["clusters"][0]), SHORT);
    let detail = rig.get(&token, "/v1/clusters/detail").await.expect(200);
    assert_eq!(detail, json!({ "clusters": [shown] }));

    let old = rig
        .call_at("1.12", &token, "GET", "/v1/clusters/prod", None)
        .await
        .expect(200);
    assert_eq!(old["stack_id"], shown["cluster_id"]);
    assert!(old.get("cluster_id").is_none());
}

#[tokio::test]
async fn labels_are_inherited_replaced_or_merged() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig
        .template(&token, json!({"labels": {"a": "1", "b": "2"}}))
        .await;
    for (more, expected) in [
        (json!({}), json!({"a": "1", "b": "2"})),
        (json!({"labels": {}}), json!({"a": "1", "b": "2"})),
        (json!({"labels": null}), json!({"a": "1", "b": "2"})),
        (json!({"labels": {"a": "9"}}), json!({"a": "9"})),
        (
            json!({"labels": {"a": "9"}, "merge_labels": "true"}),
            json!({"a": "9", "b": "2"}),
        ),
    ] {
        let uuid = rig.cluster(&token, &template, more).await;
        let shown = rig.get(&token, &format!("/v1/clusters/{uuid}")).await.expect(200);
        assert_eq!(shown["labels"], expected);
    }
}

#[tokio::test]
async fn wrong_clusters_are_refused_with_the_field_and_leave_nothing() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({"name": "t"})).await;
    let bare = rig
        .template(&token, json!({"name": "bare", "flavor_id": null}))
        .await;
    for (change, status, part) in [
        (json!({"cluster_template_id": null}), 400, "cluster_template_id"),
        (json!({"cluster_template_id": "none"}), 404, "none"),
        (json!({"name": ""}), 400, "name"),
        (json!({"name": "1a"}), 400, "name"),
        (json!({"name": "a b"}), 400, "name"),
        (json!({"name": "a".repeat(243)}), 400, "name"),
        (json!({"name": 5}), 400, "name"),
        (json!({"node_count": -1}), 400, "node_count"),
        (json!({"node_count": "x"}), 400, "node_count"),
        (json!({"node_count": 1.5}), 400, "node_count"),
        (json!({"master_count": 0}), 400, "master_count"),
        (json!({"master_count": 2}), 400, "master_count"),
        (json!({"master_count": null}), 400, "master_count"),
        (json!({"master_count": 3}), 400, "master_lb_enabled"),
        (json!({"keypair": "none"}), 404, "none"),
        (json!({"flavor_id": "m1.none"}), 400, "m1.none"),
        (json!({"fixed_network": "nowhere"}), 400, "nowhere"),
        (json!({"fixed_subnet": "nowhere"}), 400, "nowhere"),
        (json!({"cluster_template_id": bare}), 400, "flavor_id"),
        (
            json!({"labels": {"min_node_count": "few"}}),
            400,
            "min_node_count",
        ),
        (json!({"labels": {"impossible": "yes"}}), 400, "labels.impossible"),
        (json!({"create_timeout": -1}), 400, "create_timeout"),
        (
            json!({"floating_ip_enabled": "perhaps"}),
            400,
            "floating_ip_enabled",
        ),
        (json!({"status": "BUILDING"}), 400, "status"),
        (json!({"stack_id": "x"}), 400, "stack_id"),
        (json!({"id": 1}), 400, "id"),
    ] {
        let body = merged(json!({"cluster_template_id": template}), change.clone());
        let answer = rig.call(&token, "POST", "/v1/clusters", Some(body)).await;
        let detail = answer.refusal(status);
        assert!(detail.contains(part), "{change}: {detail}");
    }
    assert_eq!(
        rig.get(&token, "/v1/clusters").await.expect(200),
        json!({"clusters": []})
    );
    assert_eq!(rig.claim().await, []);
}

#[tokio::test]
async fn microversion_ten_brings_empty_clusters_and_another_status_for_unknown_templates() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let empty = json!({"cluster_template_id": template, "node_count": 0});
    let unknown = json!({"cluster_template_id": "none"});
    for (version, of_empty, of_unknown) in [("1.9", 400, 400), ("1.10", 202, 404)] {
        let answer = rig
            .call_at(version, &token, "POST", "/v1/clusters", Some(empty.clone()))
            .await;
        assert_eq!(answer.status, of_empty, "{version}");
        rig.call_at(version, &token, "POST", "/v1/clusters", Some(unknown.clone()))
            .await
            .refusal(of_unknown);
    }
}

#[tokio::test]
async fn explicit_nulls_of_the_switches_stay_null() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let more = json!({"name": null, "floating_ip_enabled": null, "master_lb_enabled": null,
        "create_timeout": null, "node_count": null});
    let uuid = rig.cluster(&token, &template, more).await;
    let shown = rig.get(&token, &format!("/v1/clusters/{uuid}")).await.expect(200);
    assert_eq!(shown["floating_ip_enabled"], Value::Null);
    assert_eq!(shown["master_lb_enabled"], Value::Null);
    assert_eq!(shown["create_timeout"], Value::Null);
    assert_eq!(shown["node_count"], 1);
    let name = shown["name"].as_str().unwrap();
    assert!(name.ends_with("-cluster"), "{name}");
}

#[tokio::test]
async fn names_of_the_cloud_are_resolved_with_the_callers_rights_once() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    rig.cloud.reset_counts();
    let uuid = rig.cluster(&token, &template, json!({"flavor_id": "2"})).await;
    let claims = rig.claim().await;
    let work = rig.store.engine().load(&claims[0]).await.unwrap();
    let ask = work.ask.unwrap();
    assert_eq!(ask.cluster.uuid.to_string(), uuid);
    assert_eq!(ask.resolved.flavors["m1.small"], "2");
    assert_eq!(ask.resolved.flavors["2"], "2");
    assert_eq!(ask.resolved.image_id.len(), 36);
    assert!(ask.resolved.external_network_id.is_some());
    assert_eq!(ask.resolved.defaults.affinity_policy, "soft-anti-affinity");
    assert_eq!(
        work.deadline
            .since(Millis(ask.cluster.created_at.timestamp_millis()))
            .as_secs(),
        3600
    );
    assert!(work.request_id.starts_with("req-"));
    assert_eq!(
        rig.store.engine().list_sealed(ask.cluster.uuid).await.unwrap(),
        []
    );
}

#[tokio::test]
async fn the_request_id_of_another_service_goes_along_with_the_work() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    for (sent, kept) in [
        ("req-00000000-1111-4222-8333-444444444444", true),
        ("req-nonsense", false),
    ] {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/clusters")
            .header("x-auth-token", &token);
        let request = request
            .header("content-type", "application/json")
            .header("x-openstack-request-id", sent);
        let body = json!({ "cluster_template_id": template }).to_string();
        let answer = rig.send(request.body(Body::from(body)).unwrap()).await;
        let own = answer.header("x-openstack-request-id").unwrap().to_owned();
        answer.expect(202);
        let work = rig.store.engine().load(&rig.claim().await[0]).await.unwrap();
        assert_eq!(work.request_id, if kept { sent } else { own.as_str() });
    }
}

#[tokio::test]
async fn where_clusters_act_by_a_trust_the_creators_token_is_kept_sealed() {
    let rig = Rig::with("[trust]\nidentity = trust").await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let uuid = rig.cluster(&token, &template, json!({})).await;
    let sealed = rig
        .store
        .engine()
        .list_sealed(uuid.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(sealed[0].name, "creator/token");
    assert!(!sealed[0].sealed.contains(&token));
    let opened = rig
        .keyring
        .open_text(&format!("sealed/{uuid}/creator/token"), &sealed[0].sealed)
        .unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&opened), token);
}

#[tokio::test]
async fn the_quota_of_the_project_holds() {
    let rig = Rig::with("[quotas]\nmax_clusters_per_project = 2").await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    for _ in 0..2 {
        rig.cluster(&token, &template, json!({})).await;
    }
    let body = json!({"cluster_template_id": template});
    assert!(
        rig.call(&token, "POST", "/v1/clusters", Some(body))
            .await
            .refusal(403)
            .contains('2')
    );
}

#[tokio::test]
async fn no_cluster_has_more_nodes_than_the_quota_allows() {
    let rig = Rig::with("[quotas]\nmax_nodes_per_cluster = 4").await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({"master_lb_enabled": true})).await;
    for (masters, workers, status) in [
        (1, 3, 202),
        (3, 1, 202),
        (1, 4, 403),
        (3, 2, 403),
        (1, i32::MAX, 403),
        (i32::MAX, i32::MAX, 403),
    ] {
        let body = json!({"cluster_template_id": template, "master_count": masters, "node_count": workers});
        let answer = rig.call(&token, "POST", "/v1/clusters", Some(body)).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        if status == 403 {
            assert!(
                answer
                    .refusal(403)
                    .starts_with("The quota allows a cluster of 4 nodes")
            );
        }
    }
}

#[tokio::test]
async fn labels_are_not_too_large_when_they_are_merged_either() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let (half, most) = ("v".repeat(30_000), "v".repeat(29_980));
    let template = rig.template(&token, json!({"labels": {"a": half}})).await;
    for (value, status) in [(&half, 400), (&most, 202)] {
        let body = json!({"cluster_template_id": template, "labels": {"b": value}, "merge_labels": true});
        let answer = rig.call(&token, "POST", "/v1/clusters", Some(body)).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    }
}

#[tokio::test]
async fn an_application_credential_makes_no_cluster_that_needs_a_trust() {
    for (identity, status) in [("trust", 403), ("grant", 202)] {
        let rig = Rig::with(&format!("[trust]\nidentity = {identity}")).await;
        let token = rig.token("demo", "demo").await;
        rig.cloud.with_world(|world| {
            let keystone = &mut world.keystone;
            let held = keystone.tokens.get_mut(&token).unwrap();
            held.application_credential_id = Some("credential".to_owned());
            held.methods = vec!["application_credential".to_owned()];
            let Scope::Project(project_id) = held.scope.clone() else {
                panic!("{:?}", held.scope)
            };
            let credential = ApplicationCredential {
                name: "ci".to_owned(),
                user_id: held.user_id.clone(),
                project_id,
                secret: Secret::new("secret"),
                description: None,
                roles: keystone.roles.keys().cloned().collect(),
                expires_ms: None,
                unrestricted: false,
                access_rules: None,
            };
            keystone
                .application_credentials
                .insert("credential".to_owned(), credential);
        });
        let template = rig.template(&token, json!({})).await;
        let body = json!({"cluster_template_id": template});
        let answer = rig.call(&token, "POST", "/v1/clusters", Some(body)).await;
        assert_eq!(answer.status.as_u16(), status, "{identity}: {}", answer.text);
        if status == 403 {
            assert!(answer.refusal(403).contains("application credentials"));
        }
    }
}

#[tokio::test]
async fn a_delete_is_visible_at_once_and_wakes_the_engine() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let uuid = rig.cluster(&token, &template, json!({})).await;
    rig.wake.notified().await;
    for _ in 0..2 {
        let answer = rig.call(&token, "DELETE", "/v1/clusters/prod", None).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        rig.wake.notified().await;
        let shown = rig.get(&token, &format!("/v1/clusters/{uuid}")).await.expect(200);
        assert_eq!(shown["status"], "DELETE_IN_PROGRESS");
    }
    rig.call(&token, "DELETE", "/v1/clusters/none", None)
        .await
        .refusal(404);
}

#[tokio::test]
async fn a_failed_cluster_tells_the_faults_of_its_groups_when_shown_alone() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let uuid = rig.cluster(&token, &template, json!({})).await;
    let claim = rig.claim().await.remove(0);
    let work = rig.store.engine().load(&claim).await.unwrap();
    let worker = work.groups.iter().find(|group| !group.is_master()).unwrap().uuid;
    let settlement = Settlement {
        generation: work.generation,
        now: Millis(work.cluster.created_at.timestamp_millis() + 1),
        status: Status::CreateFailed,
        status_reason: Some("server:worker-0: no valid host".to_owned()),
        group_status: vec![(worker, Status::CreateFailed, Some("no valid host".to_owned()))],
        gone_groups: Vec::new(),
        api_address: None,
        coe_version: None,
        container_version: None,
        node_addresses: Vec::new(),
        stopped: Vec::new(),
        upgraded: None,
        engine_ms: 1500,
    };
    rig.store.engine().settle(&claim, &settlement).await.unwrap();
    let shown = rig.get(&token, &format!("/v1/clusters/{uuid}")).await.expect(200);
    assert_eq!(keys(&shown), sorted(&[&SHORT, &MORE, &["faults"]]));
    assert_eq!(shown["faults"], json!({"default-worker": "no valid host"}));
    let detail = rig.get(&token, "/v1/clusters/detail").await.expect(200);
    assert_eq!(keys(&detail["clusters"][0]), sorted(&[&SHORT, &MORE]));
    let steps = rig
        .get(&token, &format!("/v1/clusters/{uuid}/steps"))
        .await
        .expect(200);
    assert_eq!(steps, json!({"steps": [], "engine_seconds": 1.5}));
}

#[tokio::test]
async fn ambiguous_names_need_the_uuid() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let first = rig.cluster(&token, &template, json!({})).await;
    rig.cluster(&token, &template, json!({})).await;
    rig.get(&token, "/v1/clusters/prod").await.refusal(409);
    rig.call(&token, "DELETE", "/v1/clusters/prod", None)
        .await
        .refusal(409);
    rig.get(&token, &format!("/v1/clusters/{}", first.to_uppercase()))
        .await
        .expect(200);
}
