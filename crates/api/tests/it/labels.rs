//! Labels against what drivers say of them, and where tenants read it.

use serde_json::{Value, json};

use crate::rig::{Answer, Rig, keys, merged, template};

const TEMPLATES: &str = "/v1/clustertemplates";

/// Texts of the headers `Warning`.
fn warnings(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.get_all("warning");
    values.iter().map(|value| value.to_str().unwrap()).collect()
}

fn labels(labels: Value) -> Value {
    json!({ "labels": labels })
}

#[tokio::test]
async fn a_wrong_value_is_refused_wherever_labels_are_given() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let uuid = rig.template(&token, json!({})).await;
    let path = format!("{TEMPLATES}/{uuid}");
    for (name, value, words) in [
        (
            "paper_kind",
            json!("squared"),
            "\"squared\" is not one of plain, lined",
        ),
        (
            "boot_volume_size",
            json!(101),
            "\"101\" is not a whole number of GiB from 0 to 100",
        ),
        ("boot_volume_size", json!(-1), "\"-1\" is not"),
    ] {
        let wanted = format!("labels.{name}: {words}");
        let given = labels(json!({ name: value }));
        let patch = json!([{"op": "add", "path": format!("/labels/{name}"), "value": value}]);
        let cluster = merged(json!({"cluster_template_id": uuid}), given.clone());
        for (method, path, body) in [
            ("POST", TEMPLATES, merged(template(), given)),
            ("PATCH", &path, patch),
            ("POST", "/v1/clusters", cluster),
        ] {
            let answer = rig.call(&token, method, path, Some(body)).await;
            assert!(
                answer.refusal(400).contains(&wanted),
                "{method} {path}: {}",
                answer.text
            );
        }
    }
    assert_eq!(
        rig.get(&token, "/v1/clusters").await.expect(200),
        json!({"clusters": []})
    );
}

#[tokio::test]
async fn unknown_labels_are_kept_and_reported() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let body = merged(
        template(),
        labels(json!({"paper_kind": "lined", "colour": "red"})),
    );
    let answer = rig.call(&token, "POST", TEMPLATES, Some(body)).await;
    assert_eq!(
        warnings(&answer),
        ["299 - \"The driver swarm_paper does not know the label colour\""]
    );
    let made = answer.expect(201);
    assert_eq!(made["labels"], json!({"colour": "red", "paper_kind": "lined"}));

    let path = format!("{TEMPLATES}/{}", made["uuid"].as_str().unwrap());
    let patch = json!([{"op": "replace", "path": "/labels", "value": {"shape": "round"}}]);
    let answer = rig.call(&token, "PATCH", &path, Some(patch)).await;
    assert_eq!(warnings(&answer).len(), 1, "{answer:?}");
    answer.expect(200);

    let body = json!({"cluster_template_id": made["uuid"], "labels": {"size": "1"}, "merge_labels": true});
    let answer = rig.call(&token, "POST", "/v1/clusters", Some(body)).await;
    let told = warnings(&answer).join(" ");
    assert!(
        told.contains("label shape") && told.contains("label size"),
        "{told}"
    );
    let uuid = answer.expect(202)["uuid"].clone();
    let shown = rig
        .get(&token, &format!("/v1/clusters/{}", uuid.as_str().unwrap()))
        .await;
    assert_eq!(
        shown.expect(200)["labels"],
        json!({"shape": "round", "size": "1"})
    );

    // What is known is no news.
    let body = merged(template(), labels(json!({"paper_kind": "plain"})));
    let answer = rig.call(&token, "POST", TEMPLATES, Some(body)).await;
    assert_eq!(warnings(&answer), Vec::<&str>::new());
}

#[tokio::test]
async fn tenants_read_which_drivers_are_offered_and_what_labels_they_know() {
    let rig = Rig::with("[cinder]\ndefault_boot_volume_size = 30\n").await;
    let token = rig.token("demo", "demo").await;
    let list = rig.get(&token, "/v1/drivers").await.expect(200);
    let names: Vec<&Value> = list["drivers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|driver| &driver["name"])
        .collect();
    assert_eq!(
        names,
        ["bare_paper", "swarm_paper"],
        "a beta driver is not offered"
    );
    let shown = rig.get(&token, "/v1/drivers/swarm_paper").await.expect(200);
    assert_eq!(list["drivers"][1], shown);
    assert_eq!(keys(&shown), ["beta", "labels", "name", "provides"]);
    assert_eq!(
        shown["provides"][0],
        json!({"server_type": "vm", "os": "debian", "coe": "swarm"})
    );
    assert_eq!(
        shown["labels"],
        json!([
            {
                "name": "boot_volume_size",
                "description": "boots from a volume",
                "value": {"type": "integer", "minimum": 0, "maximum": 100, "unit": "GiB"},
                "default": "30",
                "default_from": "[cinder] default_boot_volume_size",
                "scope": "nodegroup",
            },
            {
                "name": "paper_kind",
                "description": "kind of paper",
                "value": {"type": "string", "enum": ["plain", "lined"]},
                "default": "plain",
                "default_from": null,
                "scope": "cluster",
            },
        ])
    );
    for unknown in ["beta_paper", "nobody"] {
        let answer = rig.get(&token, &format!("/v1/drivers/{unknown}")).await;
        assert!(answer.refusal(404).contains(unknown));
    }
    let answer = rig.call(&token, "POST", "/v1/drivers", Some(json!({}))).await;
    answer.refusal(405);
    let answer = rig.get("nonsense", "/v1/drivers").await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn default_workers_that_are_scaled_have_the_bounds_of_the_labels() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let made = rig
        .call(&token, "POST", TEMPLATES, Some(template()))
        .await
        .expect(201);
    let ask = async |labels: Value| {
        let body = json!({"cluster_template_id": made["uuid"], "node_count": 2, "labels": labels});
        rig.call(&token, "POST", "/v1/clusters", Some(body)).await
    };
    let on = |more: Value| merged(json!({"auto_scaling_enabled": "true"}), more);
    for (labels, most) in [
        (on(json!({})), json!(3)),
        (
            on(json!({"max_node_count": "9", "min_node_count": "1"})),
            json!(9),
        ),
        (
            on(json!({"max_node_count": "2", "min_node_count": "2"})),
            json!(2),
        ),
        (json!({"max_node_count": "9"}), Value::Null),
    ] {
        let uuid = ask(labels.clone()).await.expect(202)["uuid"].clone();
        let path = format!(
            "/v1/clusters/{}/nodegroups/default-worker",
            uuid.as_str().unwrap()
        );
        let shown = rig.get(&token, &path).await.expect(200);
        assert_eq!(shown["max_node_count"], most, "{labels}");
    }
    for (labels, field) in [
        (json!({"max_node_count": "1"}), "labels.max_node_count"),
        (json!({"max_node_count": "many"}), "labels.max_node_count"),
        (json!({"min_node_count": "3"}), "labels.min_node_count"),
    ] {
        let answer = ask(on(labels)).await;
        let told = answer.refusal(400);
        assert!(told.contains(field), "{told}");
    }
}
