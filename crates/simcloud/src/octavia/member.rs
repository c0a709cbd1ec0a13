//! Members of pools.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Common, Kind, Provisioning,
    body::{self, Attrs},
    invalid, list, merged, no_such_page, quota, show, tree,
};
use crate::{
    call::{Answer, Call, Refusal, Reply},
    world::World,
};

/// A member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Id, owner, name, states and so on.
    pub common: Common,
    /// Pool that it belongs to.
    pub pool_id: String,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// Where it listens.
    pub protocol_port: u16,
    /// Share of connections, 0 to 256; 0 takes no new ones.
    pub weight: u16,
    /// True when it is used only while no other member is up.
    pub backup: bool,
    /// Subnet of its address, if another than the virtual address's.
    pub subnet_id: Option<String>,
    /// Address to check instead of its own.
    pub monitor_address: Option<Ipv4Addr>,
    /// Port to check instead of its own.
    pub monitor_port: Option<u16>,
}

const ATTRIBUTES: &[&str] = &[
    "name",
    "admin_state_up",
    "address",
    "protocol_port",
    "weight",
    "backup",
    "subnet_id",
    "project_id",
    "tenant_id",
    "monitor_port",
    "monitor_address",
    "tags",
    "request_sriov",
];
const FIXED: &[&str] = &[
    "address",
    "protocol_port",
    "subnet_id",
    "project_id",
    "tenant_id",
    "request_sriov",
];

impl Member {
    pub(super) fn render(&self) -> Value {
        let mut map = self.common.render();
        map.remove("description");
        merged(
            map,
            json!({
                "address": self.address,
                "protocol_port": self.protocol_port,
                "weight": self.weight,
                "backup": self.backup,
                "subnet_id": self.subnet_id,
                "monitor_address": self.monitor_address,
                "monitor_port": self.monitor_port,
                "vnic_type": "normal",
            }),
        )
    }

    fn take(&mut self, attrs: Attrs<'_>) -> Result<(), Refusal> {
        if attrs.get("weight").is_some() {
            let weight = body::integer(attrs, "weight", 0, 256)?.unwrap_or(1);
            self.weight = u16::try_from(weight).unwrap_or(1);
        }
        if attrs.get("backup").is_some() {
            self.backup = attrs.flag("backup")?.unwrap_or(false);
        }
        if attrs.get("monitor_address").is_some() {
            self.monitor_address = address(attrs, "monitor_address")?;
        }
        if attrs.get("monitor_port").is_some() {
            let port = body::integer(attrs, "monitor_port", 1, 65535)?;
            self.monitor_port = port.and_then(|port| u16::try_from(port).ok());
        }
        Ok(())
    }
}

fn address(attrs: Attrs<'_>, key: &str) -> Result<Option<Ipv4Addr>, Refusal> {
    let Some(text) = attrs.text(key)? else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| body::bad_value(key, &json!(text), "Value should be IPv4 or IPv6 format"))
}

/// `/pools/{pool}/members[/{id}]`; the caller has been checked to own the pool.
pub(super) fn handle(world: &mut World, call: &Call, pool_id: &str, rest: &[&str]) -> Answer {
    if let [id, ..] = rest {
        let is_here = world
            .octavia
            .members
            .get(*id)
            .is_some_and(|member| member.pool_id == pool_id);
        if !is_here {
            return Err(Kind::Member.not_found(id));
        }
    }
    let (load_balancer_id, project) = match world.octavia.pools.get(pool_id) {
        Some(pool) => (pool.load_balancer_id.clone(), pool.common.project_id.clone()),
        None => return Err(Kind::Pool.not_found(pool_id)),
    };
    match (call.method.as_str(), rest) {
        ("GET", []) => list(world, call, Kind::Member, Some(pool_id)),
        ("GET", [id]) => show(world, call, Kind::Member, id, 200),
        ("POST", []) => {
            let attrs = body::of(call, Kind::Member, ATTRIBUTES)?;
            quota::check(world, &project, Kind::Member, 1)?;
            let id = tree::all_or_nothing(world, &load_balancer_id, |world| {
                tree::claim_child(world, &load_balancer_id, Some(pool_id), None)?;
                create_in(world, pool_id, &project, attrs)
            })?;
            show(world, call, Kind::Member, &id, 201)
        }
        ("PUT", []) => {
            tree::all_or_nothing(world, &load_balancer_id, |world| {
                replace_all(world, call, pool_id, &load_balancer_id, &project)
            })?;
            Ok(Reply::empty(202))
        }
        ("PUT", [id]) => {
            let allowed: Vec<&str> = ATTRIBUTES
                .iter()
                .copied()
                .filter(|name| !FIXED.contains(name))
                .collect();
            let attrs = body::of(call, Kind::Member, &allowed)?;
            let Some(mut member) = world.octavia.members.get(*id).cloned() else {
                return Err(Kind::Member.not_found(id));
            };
            member.take(attrs)?;
            member.common.update(attrs, world.now_ms)?;
            tree::claim_child(world, &load_balancer_id, Some(pool_id), None)?;
            member.common.provisioning_status = Provisioning::PendingUpdate;
            world.octavia.members.insert((*id).to_owned(), member);
            show(world, call, Kind::Member, id, 200)
        }
        ("DELETE", [id]) => {
            tree::claim_child(world, &load_balancer_id, Some(pool_id), None)?;
            if let Some(common) = world.octavia.common_mut(Kind::Member, id) {
                common.provisioning_status = Provisioning::PendingDelete;
            }
            Ok(Reply::empty(204))
        }
        _ => Err(no_such_page()),
    }
}

/// Makes a member in a pool that is already claimed. Returns its id.
pub(super) fn create_in(
    world: &mut World,
    pool_id: &str,
    project: &str,
    attrs: Attrs<'_>,
) -> Result<String, Refusal> {
    body::check_known(attrs, Kind::Member, ATTRIBUTES)?;
    let address = address(attrs, "address")?.ok_or_else(|| body::missing("address"))?;
    let protocol_port = body::required_port(attrs)?;
    let subnet_id = attrs.uuid("subnet_id")?.map(str::to_owned);
    if let Some(subnet) = subnet_id
        .as_ref()
        .filter(|id| !world.neutron.subnets.contains_key(*id))
    {
        return Err(Refusal::new(
            400,
            "InvalidSubresource",
            format!("Subnet {subnet} not found."),
        ));
    }
    let mut siblings = world
        .octavia
        .members
        .values()
        .filter(|member| member.pool_id == pool_id);
    if siblings.any(|other| other.address == address && other.protocol_port == protocol_port) {
        let message = format!(
            "Another member on this pool is already using ip {address} on protocol_port {protocol_port}"
        );
        return Err(Refusal::new(409, "DuplicateMemberEntry", message));
    }
    let mut member = Member {
        common: Common::of(world, project, attrs)?,
        pool_id: pool_id.to_owned(),
        address,
        protocol_port,
        weight: 1,
        backup: false,
        subnet_id,
        monitor_address: None,
        monitor_port: None,
    };
    member.common.operating_status = "NO_MONITOR".to_owned();
    member.take(attrs)?;
    let id = member.common.id.clone();
    world.octavia.members.insert(id.clone(), member);
    Ok(id)
}

/// The batch update: what is listed is made or changed, the rest goes unless `additive_only`.
fn replace_all(
    world: &mut World,
    call: &Call,
    pool_id: &str,
    load_balancer_id: &str,
    project: &str,
) -> Result<(), Refusal> {
    let items = call.body["members"]
        .as_array()
        .ok_or_else(|| body::missing("members"))?;
    let is_additive = call
        .query("additive_only")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    tree::claim_child(world, load_balancer_id, Some(pool_id), None)?;
    let now_ms = world.now_ms;
    let old: Vec<(String, Ipv4Addr, u16)> = world
        .octavia
        .members_of(pool_id)
        .into_iter()
        .map(|member| (member.common.id.clone(), member.address, member.protocol_port))
        .collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut added: Vec<Attrs<'_>> = Vec::new();
    for item in items {
        let attrs = item
            .as_object()
            .map(Attrs)
            .ok_or_else(|| body::bad_value("members", item, "Wrong type."))?;
        body::check_known(attrs, Kind::Member, ATTRIBUTES)?;
        let address = address(attrs, "address")?.ok_or_else(|| body::missing("address"))?;
        let port = body::required_port(attrs)?;
        match old
            .iter()
            .find(|(_, ip, number)| (*ip, *number) == (address, port))
        {
            Some((id, ..)) if kept.contains(&id.as_str()) => {
                return Err(invalid("Member must be updated only once in the same request."));
            }
            Some((id, ..)) => {
                kept.push(id);
                if let Some(member) = world.octavia.members.get_mut(id) {
                    member.take(attrs)?;
                    member.common.update(attrs, now_ms)?;
                    member.common.provisioning_status = Provisioning::PendingUpdate;
                }
            }
            None => added.push(attrs),
        }
    }
    let mut gone = 0;
    if !is_additive {
        for (id, ..) in old.iter().filter(|(id, ..)| !kept.contains(&id.as_str())) {
            gone += 1;
            if let Some(common) = world.octavia.common_mut(Kind::Member, id) {
                common.provisioning_status = Provisioning::PendingDelete;
            }
        }
    }
    quota::check(world, project, Kind::Member, added.len().saturating_sub(gone))?;
    for attrs in added {
        create_in(world, pool_id, project, attrs)?;
    }
    Ok(())
}
