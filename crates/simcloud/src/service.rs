//! The table of services: their prefix in the URL, the shape of their errors, and the names of their operations.

use serde::{Deserialize, Serialize};

use crate::call::{Answer, Call, Dialect, Reply};
use crate::world::World;
use crate::{cinder, glance, keystone, neutron, nova, octavia};

/// A simulated service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Keystone.
    Identity,
    /// Glance.
    Image,
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Cinder.
    Volume,
    /// Octavia.
    LoadBalancer,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Identity,
        Self::Image,
        Self::Compute,
        Self::Network,
        Self::Volume,
        Self::LoadBalancer,
    ];

    /// First path segment, as DevStack lays the services out.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Image => "image",
            Self::Compute => "compute",
            Self::Network => "networking",
            Self::Volume => "volume",
            Self::LoadBalancer => "load-balancer",
        }
    }

    /// Name in fault rules and call counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            other => other.prefix(),
        }
    }

    /// The service whose URLs start with `segment`.
    pub fn from_prefix(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.prefix() == segment)
    }

    /// Shape of its error bodies.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Identity => Dialect::Keystone,
            Self::Image => Dialect::Glance,
            Self::Compute => Dialect::Nova,
            Self::Network => Dialect::Neutron,
            Self::Volume => Dialect::Cinder,
            Self::LoadBalancer => Dialect::Octavia,
        }
    }

    /// Hands a call to the service.
    pub(crate) fn handle(self, world: &mut World, call: &Call) -> Answer {
        match self {
            Self::Identity => keystone::handle(world, call),
            Self::Image => glance::handle(world, call),
            Self::Compute => nova::handle(world, call),
            Self::Network => neutron::handle(world, call),
            Self::Volume => cinder::handle(world, call),
            Self::LoadBalancer => octavia::handle(world, call),
        }
    }

    /// Headers that the service adds to an answer.
    pub(crate) fn headers(self, call: &Call, reply: &Reply) -> Vec<(String, String)> {
        let id = call.request_id.clone();
        let mut headers = vec![("x-openstack-request-id".to_owned(), id.clone())];
        if self != Self::Identity && reply.status == 401 {
            // Refused before the call reaches the service, and in some before it gets a request id.
            match self {
                Self::Image | Self::LoadBalancer => headers.clear(),
                Self::Compute => headers.push(("x-compute-request-id".to_owned(), id)),
                _ => {}
            }
            return headers;
        }
        let has_typed_nothing = match self {
            Self::Compute => true,
            Self::Network => reply.status == 201,
            Self::Volume => reply.status == 200,
            Self::Identity | Self::Image | Self::LoadBalancer => false,
        };
        if has_typed_nothing && reply.body.is_none() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        match self {
            Self::Identity => headers.push(("vary".to_owned(), "X-Auth-Token".to_owned())),
            Self::Compute => {
                headers.push(("x-compute-request-id".to_owned(), id));
                if let Ok(version) = nova::microversion(call) {
                    let version = format!("2.{version}");
                    headers.push(("openstack-api-version".to_owned(), format!("compute {version}")));
                    headers.push(("x-openstack-nova-api-version".to_owned(), version));
                    let vary = "OpenStack-API-Version, X-OpenStack-Nova-API-Version";
                    headers.push(("vary".to_owned(), vary.to_owned()));
                }
            }
            Self::Volume => {
                headers.push(("x-compute-request-id".to_owned(), id));
                let asked = call
                    .headers
                    .get("openstack-api-version")
                    .and_then(|all| all.split(' ').nth(1));
                let version = match asked {
                    None => "3.0",
                    Some("latest") => "3.71",
                    Some(version) => version,
                };
                headers.push(("openstack-api-version".to_owned(), format!("volume {version}")));
                headers.push(("vary".to_owned(), "OpenStack-API-Version".to_owned()));
            }
            Self::Image | Self::Network | Self::LoadBalancer => {}
        }
        headers
    }
}

/// Collections whose items clients also ask for by name, to find that there is no such id.
const KEYSTONE_COLLECTIONS: [&str; 5] = ["domains", "projects", "users", "roles", "trusts"];

/// Path with its variable parts replaced, so that calls of one operation count together:
/// `/v2.1/servers/{id}/action`.
pub(crate) fn template(path: &[String]) -> String {
    let mut out = String::new();
    let mut previous = "";
    for segment in path {
        out.push('/');
        let named = matches!(
            previous,
            "os-keypairs" | "tags" | "metadata" | "regions" | "flavors" | "os-quota-sets" | "quotas"
        ) || KEYSTONE_COLLECTIONS.contains(&previous);
        let fixed = matches!(segment.as_str(), "detail" | "defaults" | "default");
        match () {
            () if looks_like_id(segment) => out.push_str("{id}"),
            () if named && !fixed => out.push_str("{name}"),
            () => out.push_str(segment),
        }
        previous = segment;
    }
    if out.is_empty() { "/".to_owned() } else { out }
}

fn looks_like_id(segment: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    matches!(segment.len(), 32 | 36) && hex(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_parts_of_a_path_are_taken_out_of_its_template() {
        let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        for (given, expected) in [
            (
                "v2.1/servers/7c6f2f4a-77a0-4a64-8d7b-13e2a8e6f5a0/action",
                "/v2.1/servers/{id}/action",
            ),
            ("v2.1/servers/detail", "/v2.1/servers/detail"),
            ("v2.1/os-keypairs/mine", "/v2.1/os-keypairs/{name}"),
            ("v3/users/0123456789abcdef0123456789abcdef", "/v3/users/{id}"),
            ("v3/domains/default", "/v3/domains/default"),
            ("v3/users/somebody", "/v3/users/{name}"),
            ("v3/auth/projects", "/v3/auth/projects"),
        ] {
            assert_eq!(template(&path(given)), expected);
        }
    }
}
