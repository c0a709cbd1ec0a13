//! Every operation with every kind of caller. The operations are those that the OpenAPI document describes, which has
//! all that requests are routed to: one that is missing here fails the test.

use std::collections::BTreeSet;

use jeroboam_cloud::{DomainName, Scope};
use jeroboam_simcloud::keystone::Target;
use serde_json::{Value, json};

use crate::rig::{Rig, template};

/// Who asks. The cluster and the template are those of the owner, in the project `demo`.
const CALLERS: [&str; 12] = [
    "nobody",
    "expired",
    "service",
    "other project",
    "reader",
    "member",
    "manager",
    "owner",
    "administrator of another project",
    "administrator of the domain",
    "reader of the system",
    "administrator of the system",
];

/// Bearers of tokens in the order of [`CALLERS`].
async fn tokens(rig: &Rig) -> Vec<String> {
    rig.add_user("worker", "demo", &["service"]);
    rig.add_user("colleague", "demo", &["member"]);
    rig.add_user("boss", "demo", &["manager"]);
    for (name, target, role) in [
        ("prince", Target::Domain("default".to_owned()), "admin"),
        ("auditor", Target::System, "reader"),
        ("root", Target::System, "admin"),
    ] {
        rig.add_user(name, "alt_demo", &[]);
        rig.grant(name, target, role);
    }
    let expired = rig.token("demo", "demo").await;
    rig.cloud.with_world(|world| {
        world.keystone.tokens.get_mut(&expired).unwrap().expires_ms = 0;
    });
    let domain = Scope::Domain(DomainName::Id("default".to_owned()));
    vec![
        String::new(),
        expired,
        rig.token("worker", "demo").await,
        rig.token("alt_demo", "alt_demo").await,
        rig.token("demo_reader", "demo").await,
        rig.token("colleague", "demo").await,
        rig.token("boss", "demo").await,
        rig.token("demo", "demo").await,
        rig.token("admin", "admin").await,
        rig.scoped_token("prince", domain).await,
        rig.scoped_token("auditor", Scope::System).await,
        rig.scoped_token("root", Scope::System).await,
    ]
}

#[tokio::test]
async fn each_caller_gets_what_the_policy_says_on_each_route() {
    let rig = Rig::start().await;
    let tokens = tokens(&rig).await;
    assert_eq!(tokens.len(), CALLERS.len());
    let owner = rig.token("demo", "demo").await;
    let template_id = rig.template(&owner, json!({"name": "used"})).await;
    let cluster = rig.cluster(&owner, &template_id, json!({})).await;
    let new_cluster = json!({"cluster_template_id": template_id});
    let csr = json!({"cluster_uuid": cluster, "csr": "x"});
    let rename = json!([{"op": "replace", "path": "/name", "value": "used"}]);

    let open = [200; 12];
    let all_tokens = [401, 401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200];
    let lists = [401, 401, 403, 200, 200, 200, 200, 200, 200, 403, 200, 200];
    let shows = [401, 401, 403, 404, 200, 200, 200, 200, 200, 403, 200, 200];
    // A lookup that is narrower than the policy comes first: a template that is public needs no role.
    let shows_template = [401, 401, 403, 404, 200, 200, 200, 200, 200, 404, 200, 200];
    let wide_only = [401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 200, 200];
    let admin_only = [401, 401, 403, 403, 403, 403, 403, 403, 404, 403, 403, 404];
    let unserved = [401, 401, 501, 501, 501, 501, 501, 501, 501, 501, 501, 501];
    // 409: it has no authorities yet.
    let certificate = [401, 401, 403, 404, 403, 403, 409, 409, 409, 403, 403, 409];
    let every_token = [401, 401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200];
    // Members and administrators change things; what stands in the way of this one comes after that.
    let changes = |status: u16| {
        [
            401, 401, 403, 404, 403, status, status, status, status, 403, 403, status,
        ]
    };
    // In the order of the calls: the last one takes the cluster away.
    let table: Vec<(&str, &str, Option<Value>, [u16; 12])> = vec![
        ("GET", "/", None, open),
        ("GET", "/v1", None, open),
        ("GET", "/v1/openapi.json", None, open),
        ("GET", "/healthcheck", None, open),
        ("GET", "/v1/clusters", None, lists),
        ("GET", "/v1/clusters/detail", None, lists),
        ("GET", "/v1/clusters/{cluster}", None, shows),
        ("GET", "/v1/clusters/{cluster}/steps", None, shows),
        (
            "POST",
            "/v1/clusters",
            Some(new_cluster),
            [401, 401, 403, 404, 403, 202, 202, 202, 404, 403, 403, 404],
        ),
        ("GET", "/v1/clusters/{cluster}/nodegroups", None, shows),
        (
            "GET",
            "/v1/clusters/{cluster}/nodegroups/{nodegroup}",
            None,
            shows,
        ),
        ("GET", "/v1/clustertemplates", None, lists),
        ("GET", "/v1/clustertemplates/detail", None, lists),
        (
            "GET",
            "/v1/clustertemplates/{clustertemplate}",
            None,
            shows_template,
        ),
        (
            "POST",
            "/v1/clustertemplates",
            Some(template()),
            [401, 401, 403, 201, 403, 201, 201, 201, 201, 403, 403, 403],
        ),
        (
            "PATCH",
            "/v1/clustertemplates/{clustertemplate}",
            Some(rename),
            [401, 401, 403, 404, 403, 200, 200, 200, 200, 403, 403, 200],
        ),
        (
            "DELETE",
            "/v1/clustertemplates/{clustertemplate}",
            None,
            [401, 401, 403, 404, 403, 400, 400, 400, 400, 403, 403, 400],
        ),
        ("GET", "/v1/certificates/{cluster}", None, certificate),
        (
            "GET",
            "/v1/certificates/{cluster}/{ca_cert_type}",
            None,
            certificate,
        ),
        (
            "POST",
            "/v1/certificates",
            Some(csr),
            [401, 401, 403, 400, 403, 403, 409, 409, 409, 403, 403, 409],
        ),
        // It is still being created.
        ("PATCH", "/v1/clusters/{cluster}", Some(json!([])), changes(202)),
        (
            "POST",
            "/v1/clusters/{cluster}/actions/resize",
            Some(json!({"node_count": 2})),
            changes(409),
        ),
        (
            "POST",
            "/v1/clusters/{cluster}/actions/upgrade",
            Some(json!({"cluster_template": "none"})),
            changes(404),
        ),
        (
            "POST",
            "/v1/clusters/{cluster}/nodegroups",
            Some(json!({"name": "gpu"})),
            changes(409),
        ),
        (
            "PATCH",
            "/v1/clusters/{cluster}/nodegroups/{nodegroup}",
            Some(json!([])),
            changes(409),
        ),
        (
            "DELETE",
            "/v1/clusters/{cluster}/nodegroups/{nodegroup}",
            None,
            changes(400),
        ),
        ("PATCH", "/v1/certificates/{cluster}", None, changes(409)),
        ("PATCH", "/v1/credentials/{cluster}", None, changes(409)),
        ("GET", "/v1/drivers", None, every_token),
        ("GET", "/v1/drivers/{driver}", None, every_token),
        ("GET", "/v1/mservices", None, wide_only),
        ("GET", "/v1/stats", None, lists),
        ("GET", "/v1/drivers", None, all_tokens),
        ("GET", "/v1/drivers/{driver}", None, all_tokens),
        ("GET", "/v1/quotas", None, wide_only),
        ("GET", "/v1/quotas/{project}/{resource}", None, wide_only),
        // A project and a quota that are not there.
        (
            "POST",
            "/v1/quotas",
            Some(json!({"project_id": "nobody"})),
            admin_only,
        ),
        (
            "PATCH",
            "/v1/quotas/{project}/{resource}",
            Some(json!({})),
            admin_only,
        ),
        ("DELETE", "/v1/quotas/{project}/{resource}", None, admin_only),
        ("GET", "/v1/federations", None, unserved),
        ("GET", "/v1/federations/detail", None, unserved),
        ("POST", "/v1/federations", Some(json!({})), unserved),
        ("GET", "/v1/federations/{federation}", None, unserved),
        ("PATCH", "/v1/federations/{federation}", Some(json!([])), unserved),
        ("DELETE", "/v1/federations/{federation}", None, unserved),
        (
            "DELETE",
            "/v1/clusters/{cluster}",
            None,
            [401, 401, 403, 404, 403, 204, 204, 204, 204, 403, 403, 204],
        ),
    ];
    let document = rig.get("", "/v1/openapi.json").await.expect(200);
    let listed: BTreeSet<(String, String)> = table
        .iter()
        .map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(
        listed,
        described(&document),
        "the table (left) and the document differ"
    );

    for (method, path, body, expected) in table {
        let path = path
            .replace("{cluster}", &cluster)
            .replace("{nodegroup}", "default-worker")
            .replace("{clustertemplate}", &template_id)
            .replace("{ca_cert_type}", "kubelet")
            .replace("{project}", "elsewhere")
            .replace("{resource}", "Cluster")
            .replace("{driver}", "swarm_paper")
            .replace("{federation}", "f");
        assert!(!path.contains('{'), "{path}");
        for ((caller, token), status) in CALLERS.iter().zip(&tokens).zip(expected) {
            let answer = rig.call(token, method, &path, body.clone()).await;
            let what = format!("{method} {path} by {caller}: {}", answer.text);
            assert_eq!(answer.status.as_u16(), status, "{what}");
            if status == 403 {
                assert!(answer.refusal(403).contains(':'), "the rule is not named: {what}");
            }
        }
    }
}

/// Methods and paths of an OpenAPI document.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "delete"] {
            if item.get(method).is_some() {
                operations.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    operations
}
