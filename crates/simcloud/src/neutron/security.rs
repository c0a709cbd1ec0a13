//! Security groups. Each project has one called `default`, made when it is first needed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Common, Direction, Kind, Neutron, SecurityGroupRule, attrs::Attrs, merged};
use crate::{call::Refusal, world::World};

/// A security group; its rules are in [`Neutron::security_group_rules`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Id, owner, name and so on.
    pub common: Common,
    /// True when answers to allowed traffic are allowed.
    pub stateful: bool,
    /// True for the group that a project has from the start.
    pub is_default: bool,
}

impl SecurityGroup {
    pub(super) fn render(&self, neutron: &Neutron) -> Value {
        let rules: Vec<Value> = neutron
            .rules_of(&self.common.id)
            .into_iter()
            .map(|rule| rule.render_nested(neutron))
            .collect();
        merged(
            self.common.render(),
            json!({"stateful": self.stateful, "shared": false, "security_group_rules": rules}),
        )
    }
}

impl Neutron {
    /// The rules of a security group, oldest first.
    pub fn rules_of(&self, group_id: &str) -> Vec<&SecurityGroupRule> {
        let mut rules: Vec<&SecurityGroupRule> = self
            .security_group_rules
            .values()
            .filter(|rule| rule.security_group_id == group_id)
            .collect();
        rules.sort_by_key(|rule| rule.common.sequence);
        rules
    }
}

/// The project's default group, made with its rules when it is not there: out to anywhere, in from its members.
pub(crate) fn ensure_default(world: &mut World, project: &str) -> String {
    let mut groups = world.neutron.security_groups.values();
    if let Some(group) = groups.find(|group| group.is_default && group.common.project_id == project) {
        return group.common.id.clone();
    }
    let id = insert(
        world,
        project,
        "default".into(),
        "Default security group".into(),
        true,
        true,
        Vec::new(),
    );
    for ethertype in ["IPv4", "IPv6"] {
        let mut rule = SecurityGroupRule::open(world, project, &id, Direction::Ingress, ethertype);
        rule.remote_group_id = Some(id.clone());
        world
            .neutron
            .security_group_rules
            .insert(rule.common.id.clone(), rule);
    }
    id
}

fn insert(
    world: &mut World,
    project: &str,
    name: String,
    description: String,
    stateful: bool,
    is_default: bool,
    tags: Vec<String>,
) -> String {
    let common = Common {
        name,
        description,
        tags,
        ..Common::new(world, project)
    };
    let id = common.id.clone();
    world.neutron.security_groups.insert(
        id.clone(),
        SecurityGroup {
            common,
            stateful,
            is_default,
        },
    );
    for ethertype in ["IPv4", "IPv6"] {
        let rule = SecurityGroupRule::open(world, project, &id, Direction::Egress, ethertype);
        world
            .neutron
            .security_group_rules
            .insert(rule.common.id.clone(), rule);
    }
    id
}

pub(super) fn create(world: &mut World, project: &str, attrs: Attrs<'_>) -> Result<String, Refusal> {
    let name = attrs.owned("name")?.unwrap_or_default();
    if name == "default" {
        let message = "Default security group already exists.";
        return Err(Refusal::new(409, "SecurityGroupDefaultAlreadyExists", message));
    }
    ensure_default(world, project);
    super::quota::check(world, project, Kind::SecurityGroup, 1)?;
    let description = attrs.owned("description")?.unwrap_or_default();
    let tags = attrs.texts("tags")?.unwrap_or_default();
    super::tags::check(&tags)?;
    let stateful = attrs.flag("stateful")?.unwrap_or(true);
    Ok(insert(world, project, name, description, stateful, false, tags))
}

pub(super) fn update(world: &mut World, id: &str, attrs: Attrs<'_>) -> Result<(), Refusal> {
    let stateful = attrs.flag("stateful")?;
    let group = world
        .neutron
        .security_groups
        .get_mut(id)
        .ok_or_else(|| Kind::SecurityGroup.not_found(id))?;
    if group.is_default && attrs.is_set("name") {
        let message = "Updating default security group not allowed.";
        return Err(Refusal::new(409, "SecurityGroupCannotUpdateDefault", message));
    }
    group.common.update(attrs)?;
    group.stateful = stateful.unwrap_or(group.stateful);
    Ok(())
}

/// Deletes the group and every rule of it or about it. Refuses with 409 while a port is in it.
pub(super) fn delete(world: &mut World, id: &str, is_admin: bool) -> Result<(), Refusal> {
    let Some(group) = world.neutron.security_groups.get(id) else {
        return Err(Kind::SecurityGroup.not_found(id));
    };
    let is_kept = group.is_default && !is_admin;
    if world
        .neutron
        .ports
        .values()
        .any(|port| port.security_groups.iter().any(|group| group == id))
    {
        return Err(Refusal::new(
            409,
            "SecurityGroupInUse",
            format!("Security Group {id} in use."),
        ));
    }
    if is_kept {
        let message = "Insufficient rights for removing default security group.";
        return Err(Refusal::new(409, "SecurityGroupCannotRemoveDefault", message));
    }
    world
        .neutron
        .security_group_rules
        .retain(|_, rule| rule.security_group_id != id && rule.remote_group_id.as_deref() != Some(id));
    world.neutron.security_groups.remove(id);
    Ok(())
}
