//! The status tree of a load balancer: `GET /loadbalancers/{id}/status`.

use serde_json::{Map, Value, json};

use super::{Common, Kind, Octavia, Pool};
use crate::call::{Answer, Reply};

fn node(common: &Common) -> Map<String, Value> {
    let Value::Object(map) = json!({"id": common.id, "name": common.name,
        "provisioning_status": common.provisioning_status, "operating_status": common.operating_status})
    else {
        return Map::new();
    };
    map
}

fn pool(octavia: &Octavia, pool: &Pool) -> Value {
    let mut map = node(&pool.common);
    if let Some(monitor) = octavia.monitor_of(&pool.common.id) {
        let mut shown = node(&monitor.common);
        shown.insert("type".into(), json!(monitor.kind));
        map.insert("health_monitor".into(), Value::Object(shown));
    }
    let members: Vec<Value> = octavia
        .members_of(&pool.common.id)
        .into_iter()
        .map(|member| {
            let mut shown = node(&member.common);
            shown.insert("address".into(), json!(member.address));
            shown.insert("protocol_port".into(), json!(member.protocol_port));
            Value::Object(shown)
        })
        .collect();
    map.insert("members".into(), Value::from(members));
    Value::Object(map)
}

pub(super) fn tree(octavia: &Octavia, id: &str) -> Answer {
    let balancer = octavia
        .load_balancers
        .get(id)
        .ok_or_else(|| Kind::LoadBalancer.not_found(id))?;
    let listeners: Vec<Value> = octavia
        .listeners_of(id)
        .into_iter()
        .map(|listener| {
            let mut map = node(&listener.common);
            let pools: Vec<Value> = listener
                .default_pool_id
                .iter()
                .filter_map(|id| octavia.pools.get(id))
                .map(|found| pool(octavia, found))
                .collect();
            map.insert("pools".into(), Value::from(pools));
            Value::Object(map)
        })
        .collect();
    let mut map = node(&balancer.common);
    map.insert("listeners".into(), Value::from(listeners));
    Ok(Reply::json(200, json!({"statuses": {"loadbalancer": map}})))
}
