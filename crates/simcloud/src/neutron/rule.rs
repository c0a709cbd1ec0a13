//! Security group rules: what may come in or go out.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Cidr, Common, Kind, Neutron,
    attrs::{Attrs, invalid},
    invalid_input, merged,
};
use crate::{
    call::{Call, Refusal},
    world::World,
};

/// Which way a rule's traffic goes, seen from the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the port.
    Ingress,
    /// Out of the port.
    Egress,
}

/// A rule: allows the traffic that matches all of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// Id, owner, description; no name and no tags.
    pub common: Common,
    /// Group that it belongs to.
    pub security_group_id: String,
    /// True for those that Neutron gives each group; they have no description at all.
    pub is_made_with_group: bool,
    /// Which way.
    pub direction: Direction,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// Lower-case name or number; `None` is any.
    pub protocol: Option<String>,
    /// First port, or ICMP type.
    pub port_range_min: Option<u16>,
    /// Last port, or ICMP code.
    pub port_range_max: Option<u16>,
    /// Prefix of the other end; `None` is any.
    pub remote_ip_prefix: Option<String>,
    /// Group of the other end; `None` is any.
    pub remote_group_id: Option<String>,
}

/// Protocols that Neutron knows, with their IP protocol numbers.
const PROTOCOLS: &[(&str, u8)] = &[
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];
/// TCP, UDP, DCCP, SCTP and UDPLite.
const WITH_PORTS: &[u8] = &[6, 17, 33, 132, 136];
/// ICMP and ICMPv6.
const ICMP: &[u8] = &[1, 58];

fn protocol_number(protocol: &str) -> Option<u8> {
    let named = PROTOCOLS
        .iter()
        .find(|(name, _)| *name == protocol)
        .map(|(_, number)| *number);
    named.or_else(|| protocol.parse().ok())
}

impl SecurityGroupRule {
    /// A rule that allows everything one way.
    pub(super) fn open(
        world: &mut World,
        project: &str,
        group_id: &str,
        direction: Direction,
        ethertype: &str,
    ) -> Self {
        Self {
            common: Common {
                revision_number: 0,
                ..Common::new(world, project)
            },
            security_group_id: group_id.to_owned(),
            direction,
            ethertype: ethertype.to_owned(),
            protocol: None,
            port_range_min: None,
            port_range_max: None,
            remote_ip_prefix: None,
            remote_group_id: None,
            is_made_with_group: true,
        }
    }

    pub(super) fn render(&self, neutron: &Neutron) -> Value {
        let group = neutron.security_groups.get(&self.security_group_id);
        let mut map = self.common.render();
        map.remove("name");
        map.remove("tags");
        if self.is_made_with_group {
            map.insert("description".into(), Value::Null);
        }
        merged(
            map,
            json!({
                "security_group_id": self.security_group_id,
                "direction": self.direction,
                "ethertype": self.ethertype,
                "protocol": self.protocol,
                "port_range_min": self.port_range_min,
                "port_range_max": self.port_range_max,
                "remote_ip_prefix": self.remote_ip_prefix,
                "normalized_cidr": self.remote_ip_prefix.as_deref().and_then(Cidr::parse),
                "remote_group_id": self.remote_group_id,
                "remote_address_group_id": null,
                "belongs_to_default_sg": group.is_some_and(|group| group.is_default),
            }),
        )
    }

    /// As a security group shows it.
    pub(super) fn render_nested(&self, neutron: &Neutron) -> Value {
        let mut shown = self.render(neutron);
        shown["tags"] = json!(self.common.tags);
        shown["standard_attr_id"] = json!(self.common.sequence);
        shown
    }

    /// IP protocol number; `None` is any.
    pub fn protocol_number(&self) -> Option<u8> {
        protocol_number(self.protocol.as_deref()?)
    }

    fn allows_the_same(&self, other: &Self) -> bool {
        // No prefix and the prefix of everything mean the same to Neutron.
        let prefix = |rule: &Self| {
            rule.remote_ip_prefix
                .clone()
                .filter(|text| !["0.0.0.0/0", "::/0"].contains(&text.as_str()))
        };
        self.security_group_id == other.security_group_id
            && self.direction == other.direction
            && self.ethertype == other.ethertype
            && self.protocol_number() == other.protocol_number()
            && self.port_range_min == other.port_range_min
            && self.port_range_max == other.port_range_max
            && self.remote_group_id == other.remote_group_id
            && prefix(self) == prefix(other)
    }
}

pub(super) fn create(
    world: &mut World,
    call: &Call,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    let group_id = attrs.required("security_group_id")?;
    super::visible(world, call, Kind::SecurityGroup, group_id)?;
    let direction = match attrs.required("direction")?.to_ascii_lowercase().as_str() {
        "ingress" => Direction::Ingress,
        "egress" => Direction::Egress,
        other => {
            return Err(invalid("direction", &format!("{other} is not in valid_values")));
        }
    };
    let asked = attrs.text("ethertype")?.unwrap_or("IPv4");
    let ethertype = match asked.to_ascii_lowercase().as_str() {
        "ipv4" => "IPv4",
        "ipv6" => "IPv6",
        _ => {
            let message = format!(
                "Security group rule for ethertype '{asked}' not supported. Allowed values are ['IPv4', 'IPv6']."
            );
            return Err(Refusal::new(400, "SecurityGroupRuleInvalidEtherType", message));
        }
    };
    let protocol = check_protocol(attrs, ethertype)?;
    let (port_range_min, port_range_max) = check_range(attrs, protocol.as_deref())?;
    let remote_ip_prefix = check_prefix(attrs, ethertype)?;
    let remote_group_id = attrs.owned("remote_group_id")?;
    if let Some(remote) = &remote_group_id {
        if remote_ip_prefix.is_some() {
            let message =
                "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.";
            return Err(Refusal::new(400, "SecurityGroupMultipleRemoteEntites", message));
        }
        super::visible(world, call, Kind::SecurityGroup, remote)?;
    }
    let mut rule = SecurityGroupRule::open(world, project, group_id, direction, ethertype);
    rule.common.description = attrs.owned("description")?.unwrap_or_default();
    rule.is_made_with_group = false;
    rule.protocol = protocol;
    rule.port_range_min = port_range_min;
    rule.port_range_max = port_range_max;
    rule.remote_ip_prefix = remote_ip_prefix;
    rule.remote_group_id = remote_group_id;
    if let Some(other) = world
        .neutron
        .rules_of(group_id)
        .into_iter()
        .find(|other| other.allows_the_same(&rule))
    {
        let message = format!(
            "Security group rule already exists. Rule id is {}.",
            other.common.id
        );
        return Err(Refusal::new(409, "SecurityGroupRuleExists", message));
    }
    let id = rule.common.id.clone();
    touch_group(world, group_id);
    world.neutron.security_group_rules.insert(id.clone(), rule);
    Ok(id)
}

/// A change of a rule counts as one of its group.
fn touch_group(world: &mut World, group_id: &str) {
    let now_ms = world.now_ms;
    if let Some(group) = world.neutron.security_groups.get_mut(group_id) {
        group.common.touch(now_ms);
    }
}

pub(super) fn delete(world: &mut World, id: &str) {
    if let Some(rule) = world.neutron.security_group_rules.remove(id) {
        touch_group(world, &rule.security_group_id);
    }
}

fn check_protocol(attrs: Attrs<'_>, ethertype: &str) -> Result<Option<String>, Refusal> {
    let protocol = match attrs.get("protocol") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.to_ascii_lowercase(),
        Some(other) => return Err(invalid("protocol", &format!("'{other}' is not a valid string"))),
    };
    match protocol.as_str() {
        "any" | "" => Ok(None),
        "icmpv6" | "icmp" if ethertype == "IPv6" => Ok(Some("ipv6-icmp".to_owned())),
        name if protocol_number(name).is_some() => Ok(Some(protocol)),
        name => {
            let known: Vec<String> = PROTOCOLS.iter().map(|(name, _)| format!("'{name}'")).collect();
            let message = format!(
                "Security group rule protocol {name} not supported. Only protocol values (None, 'any', {}) and integer \
                 representations [0 to 255] are supported.",
                known.join(", ")
            );
            Err(Refusal::new(400, "SecurityGroupRuleInvalidProtocol", message))
        }
    }
}

fn check_range(attrs: Attrs<'_>, protocol: Option<&str>) -> Result<(Option<u16>, Option<u16>), Refusal> {
    let (min, max) = (attrs.integer("port_range_min")?, attrs.integer("port_range_max")?);
    let refuse = |class: &str, message: String| Err(Refusal::new(400, class, message));
    let Some(number) = protocol.and_then(protocol_number) else {
        if min.is_some() || max.is_some() {
            let message = "Must also specify protocol if port range is given.".to_owned();
            return refuse("SecurityGroupProtocolRequiredWithPorts", message);
        }
        return Ok((None, None));
    };
    let narrow = |value: Option<i64>| value.and_then(|number| u16::try_from(number).ok());
    if ICMP.contains(&number) {
        for (field, attr, value) in [("type", "port_range_min", min), ("code", "port_range_max", max)] {
            if let Some(number) = value.filter(|number| !(0..=255).contains(number)) {
                let message =
                    format!("Invalid value for ICMP {field} ({attr}) {number}. It must be 0 to 255.");
                return refuse("SecurityGroupInvalidIcmpValue", message);
            }
        }
        if let (None, Some(code)) = (min, max) {
            let message = format!(
                "ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing."
            );
            return refuse("SecurityGroupMissingIcmpType", message);
        }
        return Ok((narrow(min), narrow(max)));
    }
    if !WITH_PORTS.contains(&number) {
        if min.is_some() || max.is_some() {
            let message = format!(
                "Ports cannot be specified for protocol {number}. Ports are only supported for DCCP, SCTP, TCP, UDP, \
                 UDPLITE."
            );
            return refuse("SecurityGroupInvalidProtocolForPort", message);
        }
        return Ok((None, None));
    }
    match (min, max) {
        (None, None) => Ok((None, None)),
        (Some(low), Some(high)) => {
            if let Some(wrong) = [low, high].into_iter().find(|port| !(1..=65535).contains(port)) {
                return refuse(
                    "SecurityGroupInvalidPortValue",
                    format!("Invalid value for port {wrong}"),
                );
            }
            if low > high {
                let message = "For TCP/UDP protocols, port_range_min must be <= port_range_max".to_owned();
                return refuse("SecurityGroupInvalidPortRange", message);
            }
            Ok((narrow(min), narrow(max)))
        }
        _ => {
            let message = "For TCP/UDP protocols, port_range_min must be <= port_range_max".to_owned();
            refuse("SecurityGroupInvalidPortRange", message)
        }
    }
}

fn check_prefix(attrs: Attrs<'_>, ethertype: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = attrs.text("remote_ip_prefix")? else {
        return Ok(None);
    };
    let (host, length) = text.split_once('/').unwrap_or((text, ""));
    let Ok(address) = host.parse::<IpAddr>() else {
        return Err(Refusal::new(
            400,
            "InvalidCIDR",
            format!("Invalid CIDR {text} given as IP prefix."),
        ));
    };
    let (is_v6, full) = (address.is_ipv6(), if address.is_ipv6() { 128 } else { 32 });
    let length: u8 = if length.is_empty() {
        full
    } else {
        length.parse().unwrap_or(u8::MAX)
    };
    if length > full {
        return Err(Refusal::new(
            400,
            "InvalidCIDR",
            format!("Invalid CIDR {text} given as IP prefix."),
        ));
    }
    if is_v6 != (ethertype == "IPv6") {
        return Err(Refusal::new(
            400,
            "SecurityGroupRuleParameterConflict",
            format!("Conflicting value ethertype {ethertype} for CIDR {text}"),
        ));
    }
    if text.is_empty() {
        return Err(invalid_input("remote_ip_prefix is empty"));
    }
    Ok(Some(format!("{address}/{length}")))
}
