//! Changes of clusters and node groups: what is written, what is refused, and in which order.

use jeroboam_types::Millis;
use jeroboam_types::status::Outcome;
use serde_json::{Value, json};

use crate::rig::{Rig, keys};
use crate::standing::Standing;

#[tokio::test]
async fn a_resize_is_written_with_the_answer_and_takes_exactly_the_nodes_that_it_names() {
    let standing = Standing::start().await;
    let answer = standing.resize(json!({"node_count": 5})).await.expect(202);
    assert_eq!(answer, json!({"uuid": standing.uuid}));
    let shown = standing.cluster().await;
    assert_eq!(
        (&shown["status"], &shown["node_count"]),
        (&json!("UPDATE_IN_PROGRESS"), &json!(5))
    );
    let group = standing.group("default-worker").await;
    assert_eq!(
        (&group["status"], &group["node_count"]),
        (&json!("UPDATE_IN_PROGRESS"), &json!(5))
    );
    assert_eq!(
        standing.group("default-master").await["status"],
        "CREATE_COMPLETE"
    );
    let work = standing.finish(Outcome::Complete).await;
    assert!(work.deadline > Millis(work.cluster.created_at.timestamp_millis()));
    assert_eq!(standing.numbers().await, [0, 1, 2, 3, 4]);

    // By UUID, by name, and by number.
    let going = json!(["id-of-worker-0", "prod-abc-worker-2", "3"]);
    let body = json!({"node_count": 2, "nodes_to_remove": going, "nodegroup": "default-worker"});
    standing.resize(body).await.expect(202);
    assert_eq!(standing.numbers().await, [1, 4]);
    standing.finish(Outcome::Complete).await;
    // More than the group shrinks by: the rest is filled up with new ones.
    let body = json!({"node_count": "2", "nodes_to_remove": ["id-of-worker-1"], "nodegroup": null});
    standing.resize(body).await.expect(202);
    assert_eq!(standing.numbers().await, [0, 4]);
}

#[tokio::test]
async fn a_resize_that_cannot_be_is_refused_by_name() {
    let standing = Standing::with("[quotas]\nmax_nodes_per_cluster = 6\n", json!({"node_count": 3})).await;
    let path = "/v1/clusters/prod/nodegroups/default-worker";
    let bounds = json!([{"op": "replace", "path": "/min_node_count", "value": 1},
        {"op": "add", "path": "/max_node_count", "value": "9"}]);
    let patched = standing.call("PATCH", path, bounds).await.expect(202);
    assert_eq!(
        (&patched["min_node_count"], &patched["max_node_count"]),
        (&json!(1), &json!(9))
    );
    standing.finish(Outcome::Complete).await;
    for (body, status, part) in [
        (json!({}), 400, "node_count"),
        (json!({"node_count": null}), 400, "node_count"),
        (json!({"node_count": -1}), 400, "node_count"),
        (json!({"node_count": 2, "colour": "red"}), 400, "colour"),
        (
            json!({"node_count": 2, "nodes_to_remove": "x"}),
            400,
            "nodes_to_remove",
        ),
        (
            json!({"node_count": 2, "nodes_to_remove": ["worker-9"]}),
            400,
            "worker-9",
        ),
        (
            json!({"node_count": 2, "nodes_to_remove": ["id-of-master-0"]}),
            400,
            "id-of-master-0",
        ),
        (json!({"node_count": 2, "nodegroup": ""}), 400, "nodegroup"),
        (json!({"node_count": 2, "nodegroup": "none"}), 404, "none"),
        (json!({"node_count": 0}), 400, "from 1 to 9 nodes"),
        (json!({"node_count": 10}), 400, "from 1 to 9 nodes"),
        (json!({"node_count": 6}), 403, "quota"),
        (
            json!({"node_count": 3, "nodegroup": "default-master"}),
            400,
            "masters",
        ),
    ] {
        let answer = standing.resize(body.clone()).await;
        assert!(answer.refusal(status).contains(part), "{body}: {}", answer.text);
    }
    assert_eq!(
        standing.cluster().await["status"],
        "UPDATE_COMPLETE",
        "nothing was begun"
    );
    let zero = standing
        .rig
        .call_at(
            "1.9",
            &standing.token,
            "POST",
            "/v1/clusters/prod/actions/resize",
            Some(json!({"node_count": 0})),
        )
        .await;
    assert!(zero.refusal(400).contains("1.10"));
}

#[tokio::test]
async fn a_wrong_status_is_a_conflict_that_names_it() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let uuid = rig.cluster(&token, &template, json!({})).await;
    let count = json!([{"op": "replace", "path": "/node_count", "value": 2}]);
    let health = json!([{"op": "replace", "path": "/health_status", "value": "HEALTHY"}]);
    let calls = [
        ("PATCH", format!("/v1/clusters/{uuid}"), count),
        ("PATCH", format!("/v1/clusters/{uuid}"), health),
        (
            "POST",
            format!("/v1/clusters/{uuid}/actions/resize"),
            json!({"node_count": 2}),
        ),
        (
            "POST",
            format!("/v1/clusters/{uuid}/actions/upgrade"),
            json!({"cluster_template": template}),
        ),
        ("PATCH", format!("/v1/certificates/{uuid}"), Value::Null),
        ("PATCH", format!("/v1/credentials/{uuid}"), Value::Null),
        (
            "POST",
            format!("/v1/clusters/{uuid}/nodegroups/"),
            json!({"name": "gpu"}),
        ),
        (
            "PATCH",
            format!("/v1/clusters/{uuid}/nodegroups/default-worker"),
            json!([]),
        ),
    ];
    for status in ["CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"] {
        for (method, path, body) in &calls {
            let body = (!body.is_null()).then(|| body.clone());
            let answer = rig.call(&token, method, path, body).await;
            assert!(
                answer.refusal(409).contains(status),
                "{method} {path}: {}",
                answer.text
            );
        }
        rig.call(&token, "DELETE", &format!("/v1/clusters/{uuid}"), None)
            .await;
    }
}

#[tokio::test]
async fn a_newer_resize_may_follow_an_older_one_and_a_patch_waits_for_its_end() {
    let standing = Standing::start().await;
    standing.resize(json!({"node_count": 5})).await.expect(202);
    standing.resize(json!({"node_count": 4})).await.expect(202);
    assert_eq!(standing.numbers().await, [0, 1, 2, 3]);
    let patch = json!([{"op": "replace", "path": "/node_count", "value": 2}]);
    let answer = standing.call("PATCH", "/v1/clusters/prod", patch.clone()).await;
    assert!(answer.refusal(409).contains("UPDATE_IN_PROGRESS"));
    standing.finish(Outcome::Failed).await;
    let shown = standing.cluster().await;
    assert_eq!(
        (&shown["status"], &shown["node_count"]),
        (&json!("UPDATE_FAILED"), &json!(4))
    );
    for outcome in [Outcome::Failed, Outcome::Complete] {
        let answer = standing.call("PATCH", "/v1/clusters/prod", patch.clone()).await;
        answer.expect(202);
        standing.finish(outcome).await;
        assert_eq!(standing.numbers().await, [0, 1]);
    }
}

#[tokio::test]
async fn of_two_resizes_at_once_one_wins() {
    let standing = Standing::start().await;
    let calls = (4..10).map(|count| standing.resize(json!({"node_count": count})));
    let answers = futures_util::future::join_all(calls).await;
    let mut accepted = 0;
    for answer in answers {
        match answer.status.as_u16() {
            202 => accepted += 1,
            _ => assert!(answer.refusal(409).contains("another request")),
        }
    }
    assert!(accepted >= 1);
}

#[tokio::test]
async fn a_patch_changes_the_workers_and_the_health_and_nothing_else() {
    let standing = Standing::start().await;
    let patch = async |operations: Value| standing.call("PATCH", "/v1/clusters/prod", operations).await;
    for same in [
        json!([]),
        json!([{"op": "replace", "path": "/node_count", "value": 3}]),
        json!([{"op": "replace", "path": "/status", "value": "CREATE_COMPLETE"}]),
    ] {
        assert_eq!(patch(same).await.expect(202), json!({"uuid": standing.uuid}));
    }
    assert_eq!(standing.cluster().await["status"], "CREATE_COMPLETE");

    let sick = json!([{"op": "replace", "path": "/health_status", "value": "UNHEALTHY"},
        {"op": "replace", "path": "/health_status_reason", "value": "{'api': 'down'}"}]);
    patch(sick).await.expect(202);
    let shown = standing.cluster().await;
    assert_eq!(
        (&shown["health_status"], &shown["status"]),
        (&json!("UNHEALTHY"), &json!("CREATE_COMPLETE"))
    );
    assert_eq!(shown["health_status_reason"], json!({"api": "down"}));

    for (operations, part) in [
        (
            json!([{"op": "replace", "path": "/name", "value": "other"},
            {"op": "replace", "path": "/labels/t", "value": "2"}]),
            "labels, name",
        ),
        (
            json!([{"op": "replace", "path": "/master_count", "value": 3}]),
            "master_count",
        ),
        (
            json!([{"op": "replace", "path": "/flavor_id", "value": "m1.large"}]),
            "flavor_id",
        ),
        (
            json!([{"op": "replace", "path": "/status", "value": "UPDATE_COMPLETE"}]),
            "status",
        ),
        (
            json!([{"op": "replace", "path": "/api_address", "value": "x"}]),
            "service only",
        ),
        (
            json!([{"op": "replace", "path": "/faults", "value": "x"}]),
            "no such attribute",
        ),
        (
            json!([{"op": "remove", "path": "/cluster_template_id"}]),
            "mandatory",
        ),
        (
            json!([{"op": "replace", "path": "/node_count", "value": -1}]),
            "node_count",
        ),
        (
            json!([{"op": "replace", "path": "/node_count", "value": "many"}]),
            "node_count",
        ),
        (
            json!([{"op": "replace", "path": "/health_status", "value": "FINE"}]),
            "health_status",
        ),
    ] {
        let answer = patch(operations.clone()).await;
        assert!(
            answer.refusal(400).contains(part),
            "{operations}: {}",
            answer.text
        );
    }

    // Horizon sends numbers as text.
    patch(json!([{"op": "replace", "path": "/node_count", "value": "5"}]))
        .await
        .expect(202);
    let shown = standing.cluster().await;
    assert_eq!(
        (&shown["node_count"], &shown["status"]),
        (&json!(5), &json!("UPDATE_IN_PROGRESS"))
    );
    standing.finish(Outcome::Complete).await;
    patch(json!([{"op": "remove", "path": "/node_count"}]))
        .await
        .expect(202);
    assert_eq!(standing.numbers().await, [0]);
}

#[tokio::test]
async fn the_health_is_told_by_who_made_the_cluster_and_not_by_every_member() {
    let standing = Standing::start().await;
    let replace = |path: &str, value: Value| Some(json!([{"op": "replace", "path": path, "value": value}]));
    for (name, role, status) in [("colleague", "member", 403), ("chief", "manager", 202)] {
        standing.rig.add_user(name, "demo", &[role]);
        let token = standing.rig.token(name, "demo").await;
        let patch = async |body| {
            standing
                .rig
                .call(&token, "PATCH", "/v1/clusters/prod", body)
                .await
        };
        let told = patch(replace("/health_status", json!("UNHEALTHY"))).await;
        assert_eq!(told.status.as_u16(), status, "{name}: {}", told.text);
        patch(replace("/node_count", json!(3))).await.expect(202);
    }
}

#[tokio::test]
async fn the_argument_rollback_is_a_boolean_since_1_3() {
    let standing = Standing::start().await;
    let at = async |version: &str, path: &str| {
        let path = format!("/v1/clusters/prod{path}");
        standing
            .rig
            .call_at(version, &standing.token, "PATCH", &path, Some(json!([])))
            .await
    };
    at("1.3", "/?rollback=True").await.expect(202);
    assert!(
        at("1.3", "?rollback=perhaps")
            .await
            .refusal(400)
            .contains("rollback")
    );
    assert!(
        at("1.2", "?rollback=True")
            .await
            .refusal(400)
            .contains("rollback")
    );
}

#[tokio::test]
async fn a_node_group_is_made_changed_and_removed() {
    let standing = Standing::start().await;
    let path = "/v1/clusters/prod/nodegroups";
    let body = json!({
        "name": "gpu", "node_count": 2, "max_node_count": 3, "role": "gpu", "flavor_id": "m1.small",
        "image_id": "debian-12-docker", "labels": {"x": "1"}, "merge_labels": true, "is_default": true,
        "node_labels": {"tier": "gpu"}, "node_taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}],
    });
    let answer = standing.call("POST", &format!("{path}/"), body).await.expect(202);
    let expected = [
        "cluster_id",
        "flavor_id",
        "image_id",
        "labels",
        "labels_added",
        "labels_overridden",
        "labels_skipped",
        "links",
        "max_node_count",
        "merge_labels",
        "min_node_count",
        "name",
        "node_count",
        "node_labels",
        "node_taints",
        "project_id",
        "role",
        "uuid",
    ];
    assert_eq!(keys(&answer), expected);
    assert_eq!(answer["labels"], json!({"t": "1", "x": "1"}));
    let shown = standing.group("gpu").await;
    assert_eq!(
        (&shown["status"], &shown["is_default"]),
        (&json!("CREATE_IN_PROGRESS"), &json!(false))
    );
    assert_eq!(standing.cluster().await["status"], "UPDATE_IN_PROGRESS");
    assert_eq!(standing.cluster().await["node_count"], 5);
    let work = standing.finish(Outcome::Complete).await;
    let ask = work.ask.unwrap();
    let group = ask.groups.iter().find(|group| group.name == "gpu").unwrap();
    assert_eq!(ask.image_id(group), ask.resolved.image_id);

    let of_group = format!("{path}/gpu");
    let patch = json!([{"op": "replace", "path": "/node_labels", "value": "{'tier': 'fast'}"},
        {"op": "replace", "path": "/node_taints", "value": ""}, {"op": "remove", "path": "/max_node_count"}]);
    let patched = standing.call("PATCH", &of_group, patch).await.expect(202);
    assert_eq!(
        (&patched["node_labels"], &patched["node_taints"]),
        (&json!({"tier": "fast"}), &json!([]))
    );
    assert_eq!(
        (&patched["max_node_count"], &patched["status"]),
        (&Value::Null, &json!("UPDATE_IN_PROGRESS"))
    );
    standing.finish(Outcome::Complete).await;

    let gone = standing.call("DELETE", &of_group, Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    assert_eq!(standing.group("gpu").await["status"], "DELETE_IN_PROGRESS");
    assert_eq!(standing.call("DELETE", &of_group, Value::Null).await.status, 204);
    standing
        .resize(json!({"node_count": 1, "nodegroup": "gpu"}))
        .await
        .refusal(409);
    standing.call("PATCH", &of_group, json!([])).await.refusal(409);
    standing.finish(Outcome::Complete).await;
    standing.call("GET", &of_group, Value::Null).await.refusal(404);
}

#[tokio::test]
async fn a_node_group_that_cannot_be_is_refused_by_name() {
    let standing = Standing::with("[quotas]\nmax_nodes_per_cluster = 6\n", json!({"node_count": 3})).await;
    let path = "/v1/clusters/prod/nodegroups";
    for (body, status, part) in [
        (json!({}), 400, "name"),
        (json!({"name": ""}), 400, "name"),
        (json!({"name": "g", "stack_id": "x"}), 400, "stack_id"),
        (
            json!({"name": "g", "node_taints": {"key": "a"}}),
            400,
            "node_taints",
        ),
        (json!({"name": "default-worker"}), 409, "default-worker"),
        (json!({"name": "g", "min_node_count": 2}), 409, "min_node_count"),
        (
            json!({"name": "g", "node_count": 3, "max_node_count": 2}),
            409,
            "max_node_count",
        ),
        (
            json!({"name": "g", "node_labels": {"kubernetes.io/x": "y"}}),
            409,
            "kubernetes.io/x",
        ),
        (
            json!({"name": "g", "node_taints": [{"key": "a", "effect": "Never"}]}),
            409,
            "effect",
        ),
        (json!({"name": "g", "role": "master"}), 400, "role"),
        (json!({"name": "g", "flavor_id": "none"}), 400, "none"),
        (json!({"name": "g", "image_id": "none"}), 400, "none"),
        (json!({"name": "g", "node_count": 3}), 403, "quota"),
        (
            json!({"name": "g", "docker_volume_size": 0}),
            400,
            "docker_volume_size",
        ),
    ] {
        let answer = standing.call("POST", path, body.clone()).await;
        assert!(answer.refusal(status).contains(part), "{body}: {}", answer.text);
    }
    let worker = format!("{path}/default-worker");
    standing.call("DELETE", &worker, Value::Null).await.refusal(400);
    standing
        .call("DELETE", &format!("{path}/none"), Value::Null)
        .await
        .refusal(404);
    for (patch, status) in [
        (
            json!([{"op": "replace", "path": "/min_node_count", "value": 4}]),
            409,
        ),
        (json!([{"op": "replace", "path": "/labels/x", "value": "1"}]), 400),
        (json!([{"op": "replace", "path": "/node_count", "value": 1}]), 400),
        (
            json!([{"op": "replace", "path": "/node_taints", "value": "[1]"}]),
            400,
        ),
    ] {
        standing.call("PATCH", &worker, patch).await.refusal(status);
    }
    assert_eq!(
        standing.cluster().await["status"],
        "CREATE_COMPLETE",
        "nothing was begun"
    );
}

#[tokio::test]
async fn upgrades_that_cannot_be_are_refused_and_so_is_what_no_driver_can_do() {
    let standing = Standing::start().await;
    standing
        .template(
            "medium",
            json!({"flavor_id": "m1.medium", "master_flavor_id": "m1.medium"}),
        )
        .await;
    standing
        .template("proxied", json!({"http_proxy": "http://proxy:3128"}))
        .await;
    let group = json!({"name": "more", "node_count": 1});
    standing
        .call("POST", "/v1/clusters/prod/nodegroups", group)
        .await
        .expect(202);
    standing.finish(Outcome::Complete).await;
    let upgrade = async |body: Value| {
        standing
            .call("POST", "/v1/clusters/prod/actions/upgrade", body)
            .await
    };
    for (body, status, part) in [
        (json!({"max_batch_size": 1}), 400, "cluster_template"),
        (json!({"cluster_template": "none"}), 404, "none"),
        (
            json!({"cluster_template": standing.template, "max_batch_size": 0}),
            400,
            "max_batch_size",
        ),
        (
            json!({"cluster_template": standing.template, "nodegroup": "none"}),
            404,
            "none",
        ),
        (
            json!({"cluster_template": "swarm-small", "max_batch_size": "many"}),
            400,
            "max_batch_size",
        ),
        (json!({"cluster_template": "medium"}), 400, "only manager"),
        (
            json!({"cluster_template": "proxied", "nodegroup": "default-worker"}),
            409,
            "http_proxy",
        ),
        (
            json!({"cluster_template": "medium", "nodegroup": "more"}),
            409,
            "Upgrade the cluster first",
        ),
    ] {
        let answer = upgrade(body.clone()).await;
        assert!(answer.refusal(status).contains(part), "{body}: {}", answer.text);
    }
    let rotation = standing.call("PATCH", "/v1/certificates/prod", Value::Null).await;
    assert!(
        rotation.refusal(400).contains("only manager"),
        "{}",
        rotation.text
    );
    assert_eq!(
        standing.cluster().await["status"],
        "UPDATE_COMPLETE",
        "nothing was begun"
    );
}

#[tokio::test]
async fn an_upgrade_is_written_as_revisions_and_the_template_stays_until_it_is_done() {
    let standing = Standing::start().await;
    let medium = standing
        .template("medium", json!({"flavor_id": "m1.medium"}))
        .await;
    let path = "/v1/clusters/prod/actions/upgrade";
    let body = json!({"cluster_template": medium, "max_batch_size": 2, "nodegroup": "default-worker"});
    let answer = standing.call("POST", path, body.clone()).await.expect(202);
    assert_eq!(answer, json!({"uuid": standing.uuid}));
    let shown = standing.cluster().await;
    assert_eq!(shown["status"], "UPDATE_IN_PROGRESS");
    assert_eq!(shown["cluster_template_id"], standing.template.as_str());
    standing.call("POST", path, body.clone()).await.refusal(409);
    let work = standing.finish(Outcome::Complete).await;
    let ask = work.ask.unwrap();
    let rolls: Vec<_> = ask
        .groups
        .iter()
        .map(|group| group.roll.clone().unwrap())
        .collect();
    assert!(
        rolls[0].source.is_none() && rolls[0].is_done(),
        "the masters stay: {rolls:?}"
    );
    assert_eq!((rolls[1].batch, rolls[1].behind.len()), (2, 3));
    assert_eq!(rolls[1].target.flavor_id, "3");
    assert_eq!(rolls[1].behind[&0].flavor_id, rolls[0].target.flavor_id);
    assert_eq!(ask.resolved.flavors["m1.medium"], "3");

    // And back to what the cluster is of all the time: the flavor follows templates until one is chosen for the group.
    let back = json!({"cluster_template": standing.template, "nodegroup": "default-worker"});
    standing.call("POST", path, back).await.expect(202);
    assert_eq!(standing.group("default-worker").await["flavor_id"], "m1.medium");
    let roll = standing.finish(Outcome::Complete).await.groups[1]
        .roll
        .clone()
        .unwrap();
    assert_eq!((roll.target, roll.behind.len()), (rolls[0].target.clone(), 3));

    // One that changes nothing is accepted: the engine finds it done. So is one without a batch size.
    let same =
        json!({"cluster_template": standing.template, "max_batch_size": null, "nodegroup": "default-master"});
    standing.call("POST", path, same).await.expect(202);
    assert!(standing.finish(Outcome::Complete).await.groups[0].is_uniform());
}

#[tokio::test]
async fn a_rotation_of_authorities_is_written_as_its_first_stage_and_taken_up_where_it_stopped() {
    let cluster = json!({"master_count": 3, "node_count": 2, "master_lb_enabled": true});
    let standing = Standing::with("", cluster).await;
    let path = "/v1/certificates/prod";
    let stages = |work: &jeroboam_store::Work| -> Vec<(u32, usize)> {
        let rolls = work.groups.iter().map(|group| group.roll.as_ref().unwrap());
        rolls
            .map(|roll| (roll.target.trust.0, roll.behind.len()))
            .collect()
    };
    let answer = standing.call("PATCH", path, Value::Null).await.expect(202);
    assert_eq!(answer, json!({"uuid": standing.uuid}));
    let shown = standing.cluster().await;
    assert_eq!(shown["status"], "UPDATE_IN_PROGRESS");
    assert_eq!(
        standing.group("default-worker").await["status"],
        "UPDATE_IN_PROGRESS"
    );
    // A second one waits for its end; so does an upgrade.
    assert!(
        standing
            .call("PATCH", path, Value::Null)
            .await
            .refusal(409)
            .contains("UPDATE_IN_PROGRESS")
    );
    let upgrade = json!({"cluster_template": standing.template});
    standing
        .call("POST", "/v1/clusters/prod/actions/upgrade", upgrade)
        .await
        .refusal(409);
    let work = standing.finish(Outcome::Failed).await;
    assert_eq!(stages(&work), [(1, 3), (1, 2)]);
    // A group that is added trusts what the others trust.
    standing
        .call(
            "POST",
            "/v1/clusters/prod/nodegroups",
            json!({"name": "more", "node_count": 1}),
        )
        .await
        .expect(202);
    let work = standing.finish(Outcome::Failed).await;
    assert_eq!(stages(&work), [(1, 3), (1, 2), (1, 0)]);
    standing.call("PATCH", path, Value::Null).await.expect(202);
    let work = standing.finish(Outcome::Failed).await;
    assert_eq!(
        stages(&work),
        [(1, 3), (1, 2), (1, 0)],
        "the same stage, not the next"
    );
    // A body is no harm: clients send all kinds.
    standing.call("PATCH", path, json!({"x": 1})).await.expect(202);
}

#[tokio::test]
async fn authorities_are_not_rotated_in_the_middle_of_an_upgrade() {
    let standing = Standing::start().await;
    let medium = standing
        .template("medium", json!({"flavor_id": "m1.medium"}))
        .await;
    let body = json!({"cluster_template": medium, "nodegroup": "default-worker"});
    standing
        .call("POST", "/v1/clusters/prod/actions/upgrade", body)
        .await
        .expect(202);
    standing.finish(Outcome::Failed).await;
    let answer = standing.call("PATCH", "/v1/certificates/prod", Value::Null).await;
    assert!(answer.refusal(409).contains("default-worker"), "{}", answer.text);
}

#[tokio::test]
async fn a_credential_is_rotated_since_1_12_and_the_status_stays() {
    let standing = Standing::start().await;
    let path = "/v1/credentials/prod";
    let early = standing
        .rig
        .call_at("1.11", &standing.token, "PATCH", path, None)
        .await;
    early.refusal(406);
    let answer = standing
        .rig
        .call_at("1.12", &standing.token, "PATCH", path, None)
        .await
        .expect(202);
    assert_eq!(answer, json!({"uuid": standing.uuid}));
    assert_eq!(standing.cluster().await["status"], "CREATE_COMPLETE");
    assert_eq!(standing.finish(Outcome::Complete).await.credential, 1);
}
