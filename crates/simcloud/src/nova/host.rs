//! What Nova tells of its hosts: availability zones, services, hypervisors; and small read-only lists.

use serde_json::{Value, json};

use super::{no_route, require_admin};
use crate::call::{Answer, Call, Reply};
use crate::clock;
use crate::world::World;

/// The only availability zone.
pub(super) const ZONE: &str = "nova";
/// Number of simulated hosts.
pub(super) const HOSTS: usize = 16;

/// Name of the n-th host.
pub(super) fn host_name(number: usize) -> String {
    format!("simcloud-{}", number % HOSTS)
}

pub(super) fn handle(world: &mut World, call: &Call, method: &str, path: &[&str]) -> Answer {
    if method != "GET" {
        return Err(no_route());
    }
    let body = match path {
        ["os-availability-zone"] => json!({"availabilityZoneInfo": [{"zoneName": ZONE,
            "zoneState": {"available": true}, "hosts": null}]}),
        ["os-availability-zone", "detail"] => {
            require_admin(call, "os-availability-zone:detail")?;
            let services = |number| {
                json!({(host_name(number)): {"nova-compute": {"available": true, "active": true,
                    "updated_at": clock::naive_micros(world.now_ms)}}})
            };
            let mut hosts = json!({});
            for number in 0..HOSTS {
                hosts[host_name(number)] = services(number)[host_name(number)].clone();
            }
            json!({"availabilityZoneInfo": [{"zoneName": ZONE, "zoneState": {"available": true},
                "hosts": hosts}]})
        }
        ["os-services"] => {
            require_admin(call, "os-services:list")?;
            let all: Vec<Value> = (0..HOSTS)
                .map(|number| {
                    json!({"id": number + 1, "binary": "nova-compute", "host": host_name(number), "zone": ZONE,
                        "status": "enabled", "state": "up", "disabled_reason": null,
                        "updated_at": clock::naive_micros(world.now_ms)})
                })
                .collect();
            json!({"services": all})
        }
        ["os-hypervisors"] | ["os-hypervisors", "detail"] => {
            require_admin(call, "os-hypervisors:list")?;
            let all: Vec<Value> = (0..HOSTS)
                .map(|number| {
                    json!({"id": number + 1, "hypervisor_hostname": host_name(number), "state": "up",
                        "status": "enabled", "hypervisor_type": "fake", "host_ip": "127.0.0.1"})
                })
                .collect();
            json!({"hypervisors": all})
        }
        ["os-aggregates"] => {
            require_admin(call, "os-aggregates:index")?;
            json!({"aggregates": []})
        }
        ["extensions"] => json!({"extensions": []}),
        _ => return Err(no_route()),
    };
    Ok(Reply::json(200, body))
}
