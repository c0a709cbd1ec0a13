//! Parameters: of paths, queries and headers.

use jeroboam_store::{SortKey, Table};
use jeroboam_types::Status;
use serde_json::{Map, Value, json};

use super::describe::Doc;
use crate::microversion::MAXIMUM;

const SORT_KEY: &str = "A column of the table; `id` without it. Ties are broken by `id`.";

/// Parameters of a path's variables.
pub(super) fn of_path(path: &str) -> Value {
    let variables = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        let text = match name {
            "cluster" | "clustertemplate" | "federation" => {
                "UUID or name. A name that several have is refused with 409."
            }
            "nodegroup" => "UUID or name. A number is taken for the row id.",
            "project" => "Id of a project.",
            "driver" => "Name of a driver.",
            "ca_cert_type" => "Which of the cluster's certificate authorities.",
            _ => "What is limited. There is one resource: Cluster.",
        };
        Some(json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": text,
            "schema": {"type": "string", "minLength": 1},
        }))
    });
    Value::Array(variables.collect())
}

/// Parameters of an operation.
pub(super) fn of(doc: &Doc) -> Value {
    let mut names: Vec<&str> = doc.parameters.to_vec();
    if !doc.open {
        names.push("OpenStack-API-Version");
    }
    let reference = |name: &str| json!({"$ref": format!("#/components/parameters/{name}")});
    Value::Array(names.into_iter().map(reference).collect())
}

/// One of the columns of a table.
fn columns(table: Table) -> Value {
    let columns = SortKey::all(table).into_iter().map(SortKey::as_str);
    json!({"enum": columns.collect::<Vec<_>>()})
}

/// Parameters that operations share, by their names.
pub(super) fn shared() -> Map<String, Value> {
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let text = || json!({"type": "string"});
    let tags = || json!({"type": "string", "examples": ["\"0123456789abcdef0123456789abcdef-14\""]});
    let query = [
        (
            "limit",
            json!({"type": "integer", "minimum": 1}),
            "Most items of a page. `[api] max_limit` lowers it.",
        ),
        (
            "marker",
            json!({"type": "string", "format": "uuid"}),
            "UUID of the last item of the page before.",
        ),
        (
            "quota.marker",
            json!({"type": "integer"}),
            "Row id of the last item of the page before.",
        ),
        ("cluster.sort_key", columns(Table::Clusters), SORT_KEY),
        ("clustertemplate.sort_key", columns(Table::Templates), SORT_KEY),
        ("nodegroup.sort_key", columns(Table::NodeGroups), SORT_KEY),
        ("quota.sort_key", columns(Table::Quotas), SORT_KEY),
        ("sort_dir", json!({"enum": ["asc", "desc"]}), "`asc` without it."),
        (
            "rollback",
            json!({"type": "boolean"}),
            "Since microversion 1.3, without effect: what failed stays as it is, and the same change goes on with it.",
        ),
        ("name", text(), "Addition: only items of exactly this name."),
        (
            "status",
            json!({"enum": statuses}),
            "Addition: only clusters in this status.",
        ),
        (
            "project_id",
            text(),
            "Only what belongs to this project. An addition in lists.",
        ),
        ("role", text(), "Only node groups of exactly this role."),
        (
            "all_tenants",
            json!({"type": "boolean"}),
            "Quotas of all projects; for administrators.",
        ),
        ("type", json!({"enum": ["cluster"]}), "What is counted."),
        (
            "ca_cert_type",
            json!({"enum": ["kubernetes", "kubelet", "etcd", "front-proxy", "front_proxy"]}),
            "Which of the cluster's certificate authorities; the main one without it.",
        ),
    ];
    let headers = [
        (
            "OpenStack-API-Version",
            json!({
                "type": "string",
                "pattern": "^container-infra (1\\.([1-9]|1[0-4])|latest)$",
                "examples": [format!("container-infra {MAXIMUM}")],
            }),
            "The microversion; 1.1 without it.",
        ),
        (
            "If-None-Match",
            tags(),
            "Addition: 304 without a body when the resource still has one of these entity tags.",
        ),
        (
            "If-Match",
            tags(),
            "Addition: 412 when the resource has none of these entity tags any more.",
        ),
        (
            "Idempotency-Key",
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
            "Addition: the same request with the same key gets the first answer again, for 24 hours and within the \
             project, and makes nothing. 422 when the key was used for another request.",
        ),
    ];
    let place = |place: &'static str| {
        move |(name, schema, text): (&str, Value, &str)| {
            // What stands before the dot tells apart parameters that a query calls the same.
            let wire = name.rsplit('.').next();
            let parameter = json!({"name": wire, "in": place, "description": text, "schema": schema});
            (name.to_owned(), parameter)
        }
    };
    let query = query.into_iter().map(place("query"));
    query.chain(headers.into_iter().map(place("header"))).collect()
}
