//! `/v1/drivers`, an addition: which drivers new clusters may be made with, what they build, and which labels they
//! know. It says nothing of any project, so every token may read it.

use axum::http::StatusCode;
use axum::response::Response;
use jeroboam_config::sections::Cinder;
use jeroboam_driver::{Driver, LabelDefault, LabelKind, LabelReach, LabelSpec};
use serde_json::{Value, json};

use crate::context::{Context, reply};
use crate::error::{ApiError, ApiResult};

/// `GET /v1/drivers`
pub(crate) fn list(cx: &Context) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let drivers = cx.site.drivers.iter();
    let items: Vec<Value> = drivers.map(|driver| render(cx, driver.as_ref())).collect();
    Ok(reply(StatusCode::OK, json!({ "drivers": items })))
}

/// `GET /v1/drivers/NAME`
pub(crate) fn show(cx: &Context, name: &str) -> ApiResult<Response> {
    cx.query.only(&[])?;
    let driver = cx.site.drivers.named(name);
    let driver = driver.ok_or_else(|| ApiError::not_found("Driver", name))?;
    Ok(reply(StatusCode::OK, render(cx, driver.as_ref())))
}

fn render(cx: &Context, driver: &dyn Driver) -> Value {
    let provides = driver.provides().iter().map(|provides| {
        json!({
            "server_type": provides.server_type.as_str(),
            "os": provides.os,
            "coe": provides.coe.as_str(),
        })
    });
    let labels = driver
        .labels()
        .iter()
        .map(|spec| label(spec, &cx.config().cinder));
    json!({
        "name": driver.name(),
        "beta": driver.beta(),
        "provides": provides.collect::<Vec<_>>(),
        "labels": labels.collect::<Vec<_>>(),
    })
}

fn label(spec: &LabelSpec, cinder: &Cinder) -> Value {
    let default = match spec.default {
        LabelDefault::Option {
            section: "cinder",
            name,
        } => option(cinder, name),
        other => other.value().map(str::to_owned),
    };
    json!({
        "name": spec.name,
        "description": spec.description,
        "value": kind(&spec.kind),
        "default": default,
        "default_from": spec.default.source(),
        "scope": match spec.reach {
            LabelReach::Cluster => "cluster",
            LabelReach::NodeGroup => "nodegroup",
        },
    })
}

/// Values that a label takes, in the words of JSON Schema where it has them. On the wire they are all texts.
fn kind(kind: &LabelKind) -> Value {
    match kind {
        LabelKind::Bool => json!({"type": "boolean"}),
        LabelKind::Integer { min, max, unit } => {
            let mut value = json!({"type": "integer", "minimum": min, "maximum": max});
            if !unit.is_empty() {
                value["unit"] = json!(unit);
            }
            value
        }
        LabelKind::Choice(words) => json!({"type": "string", "enum": words}),
        LabelKind::Cidr | LabelKind::Text | LabelKind::Pattern { .. } => {
            json!({"type": "string", "form": kind.to_string()})
        }
        LabelKind::List(of) => json!({"type": "list", "items": self::kind(of)}),
    }
}

/// What an operator has set, as far as labels fall back on it.
fn option(cinder: &Cinder, name: &str) -> Option<String> {
    match name {
        "default_boot_volume_size" => Some(cinder.default_boot_volume_size.to_string()),
        "default_boot_volume_type" => cinder.default_boot_volume_type.clone(),
        "default_docker_volume_type" => cinder.default_docker_volume_type.clone(),
        "default_etcd_volume_type" => cinder.default_etcd_volume_type.clone(),
        _ => None,
    }
}
