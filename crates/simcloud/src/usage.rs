//! What exists in the cloud beyond what the seed made: the place where a leak is seen.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::keystone::Target;
use crate::world::World;

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    /// Such as `servers`, in the plural.
    pub kind: String,
    /// Id; for a role assignment, `user/target/role`.
    pub id: String,
    /// Name, if it has one.
    pub name: String,
    /// Project id; the domain id for users; empty where neither applies.
    pub project: String,
}

/// Everything beyond the seed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Usage {
    /// Number of objects of each kind; kinds without any are left out.
    pub counts: BTreeMap<String, usize>,
    /// The same by project.
    pub projects: BTreeMap<String, BTreeMap<String, usize>>,
    /// The objects.
    pub items: Vec<Item>,
}

impl Usage {
    /// True when nothing is left over.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Number of objects of a kind, such as `servers`.
    pub fn count(&self, kind: &str) -> usize {
        self.counts.get(kind).copied().unwrap_or_default()
    }
}

/// What exists beyond the seed.
pub fn leftovers(world: &World) -> Usage {
    let mut usage = Usage::default();
    for item in inventory(world) {
        if world.seeded.contains(&(item.kind.clone(), item.id.clone())) {
            continue;
        }
        *usage.counts.entry(item.kind.clone()).or_default() += 1;
        let project = usage.projects.entry(item.project.clone()).or_default();
        *project.entry(item.kind.clone()).or_default() += 1;
        usage.items.push(item);
    }
    usage
}

/// All objects that a user can make, seeded ones included. Security groups called `default` are left out: Neutron
/// makes them by itself and keeps them.
pub(crate) fn inventory(world: &World) -> Vec<Item> {
    let mut items = Vec::new();
    identities(world, &mut items);
    machines(world, &mut items);
    networks(world, &mut items);
    items
}

fn add(items: &mut Vec<Item>, kind: &str, id: &str, name: &str, project: &str) {
    let [kind, id, name, project] = [kind, id, name, project].map(str::to_owned);
    items.push(Item {
        kind,
        id,
        name,
        project,
    });
}

fn identities(world: &World, items: &mut Vec<Item>) {
    let keystone = &world.keystone;
    for (id, domain) in &keystone.domains {
        add(items, "domains", id, &domain.name, "");
    }
    for (id, user) in &keystone.users {
        add(items, "users", id, &user.name, &user.domain_id);
    }
    for (id, project) in &keystone.projects {
        add(items, "projects", id, &project.name, &project.domain_id);
    }
    for (id, trust) in &keystone.trusts {
        add(
            items,
            "trusts",
            id,
            "",
            trust.project_id.as_deref().unwrap_or_default(),
        );
    }
    for (id, credential) in &keystone.application_credentials {
        add(
            items,
            "application_credentials",
            id,
            &credential.name,
            &credential.project_id,
        );
    }
    for grant in &keystone.grants {
        let place = match &grant.target {
            Target::Project(id) | Target::Domain(id) => id.as_str(),
            Target::System => "system",
        };
        let id = format!("{}/{place}/{}", grant.user_id, grant.role_id);
        add(items, "role_assignments", &id, "", place);
    }
}

fn machines(world: &World, items: &mut Vec<Item>) {
    for (id, server) in &world.nova.servers {
        add(items, "servers", id, &server.name, &server.project_id);
    }
    for (id, group) in &world.nova.server_groups {
        add(items, "server_groups", id, &group.name, &group.project_id);
    }
    for (user, keypairs) in &world.nova.keypairs {
        for name in keypairs.keys() {
            add(items, "keypairs", &format!("{user}/{name}"), name, "");
        }
    }
    for (id, flavor) in &world.nova.flavors {
        add(items, "flavors", id, &flavor.name, "");
    }
    for (id, image) in &world.glance.images {
        add(
            items,
            "images",
            id,
            image.name.as_deref().unwrap_or_default(),
            &image.owner,
        );
    }
    for (id, volume) in &world.cinder.volumes {
        add(
            items,
            "volumes",
            id,
            volume.name.as_deref().unwrap_or_default(),
            &volume.project_id,
        );
    }
}

fn networks(world: &World, items: &mut Vec<Item>) {
    let neutron = &world.neutron;
    let octavia = &world.octavia;
    let groups = neutron
        .security_groups
        .values()
        .filter(|group| group.common.name != "default");
    let neutrons = [
        (
            "networks",
            neutron
                .networks
                .values()
                .map(|network| &network.common)
                .collect::<Vec<_>>(),
        ),
        (
            "subnets",
            neutron.subnets.values().map(|subnet| &subnet.common).collect(),
        ),
        (
            "routers",
            neutron.routers.values().map(|router| &router.common).collect(),
        ),
        ("ports", neutron.ports.values().map(|port| &port.common).collect()),
        ("security_groups", groups.map(|group| &group.common).collect()),
        (
            "floating_ips",
            neutron
                .floating_ips
                .values()
                .map(|floating| &floating.common)
                .collect(),
        ),
    ];
    for (kind, all) in neutrons {
        for common in all {
            add(items, kind, &common.id, &common.name, &common.project_id);
        }
    }
    let octavias = [
        (
            "load_balancers",
            octavia
                .load_balancers
                .values()
                .map(|balancer| &balancer.common)
                .collect::<Vec<_>>(),
        ),
        (
            "listeners",
            octavia
                .listeners
                .values()
                .map(|listener| &listener.common)
                .collect(),
        ),
        ("pools", octavia.pools.values().map(|pool| &pool.common).collect()),
        (
            "members",
            octavia.members.values().map(|member| &member.common).collect(),
        ),
        (
            "health_monitors",
            octavia
                .health_monitors
                .values()
                .map(|monitor| &monitor.common)
                .collect(),
        ),
    ];
    for (kind, all) in octavias {
        for common in all {
            add(items, kind, &common.id, &common.name, &common.project_id);
        }
    }
}
