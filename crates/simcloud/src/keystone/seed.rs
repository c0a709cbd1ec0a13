//! The identities that exist at the start, as DevStack and Magnum's installation make them.

use super::catalog;
use super::model::{Domain, Grant, Project, Role, Target, User};
use crate::secret::Secret;
use crate::world::World;

/// Password of every seeded user.
const PASSWORD: &str = "secret";

/// Roles that `keystone-manage bootstrap` makes.
const BOOTSTRAP_ROLES: [&str; 5] = ["admin", "manager", "member", "reader", "service"];

/// Service type, name and URL.
const SERVICES: [(&str, &str, &str); 8] = [
    ("identity", "keystone", "{base}/identity"),
    ("image", "glance", "{base}/image"),
    ("compute", "nova", "{base}/compute/v2.1"),
    ("network", "neutron", "{base}/networking"),
    ("volumev3", "cinderv3", "{base}/volume/v3/$(project_id)s"),
    ("block-storage", "cinder", "{base}/volume/v3/$(project_id)s"),
    ("load-balancer", "octavia", "{base}/load-balancer"),
    ("container-infra", "magnum", "http://127.0.0.1:9511/v1"),
];

/// Makes the domains `default` and `magnum`, the projects admin, service, demo and alt_demo, the roles, and the
/// users admin, demo, demo_reader, alt_demo, magnum and magnum_domain_admin, all with the password `secret`.
pub fn seed(world: &mut World) {
    let magnum_domain = world.hex_id();
    for (id, name) in [("default", "Default"), (magnum_domain.as_str(), "magnum")] {
        let domain = Domain {
            name: name.to_owned(),
            description: if id == "default" {
                "The default domain".to_owned()
            } else {
                String::new()
            },
            enabled: true,
        };
        world.keystone.domains.insert(id.to_owned(), domain);
    }
    let [admin, manager, member, reader, _service, _balancing] = [
        "admin",
        "manager",
        "member",
        "reader",
        "service",
        "load-balancer_member",
    ]
    .map(|name| role(world, name));
    for (prior, implied) in [(&admin, &manager), (&manager, &member), (&member, &reader)] {
        world
            .keystone
            .implied
            .insert(prior.clone(), vec![implied.clone()]);
    }
    let [admin_project, service_project, demo_project, alt_project] =
        ["admin", "service", "demo", "alt_demo"].map(|name| project(world, name));
    let on = |id: &String| Target::Project(id.clone());
    user(
        world,
        "default",
        "admin",
        &[(on(&admin_project), &admin), (Target::System, &admin)],
    );
    user(world, "default", "demo", &[(on(&demo_project), &member)]);
    user(world, "default", "demo_reader", &[(on(&demo_project), &reader)]);
    user(world, "default", "alt_demo", &[(on(&alt_project), &member)]);
    user(world, "default", "magnum", &[(on(&service_project), &admin)]);
    let on_domain = Target::Domain(magnum_domain.clone());
    user(
        world,
        &magnum_domain,
        "magnum_domain_admin",
        &[(on_domain, &admin)],
    );
    for (kind, name, url) in SERVICES {
        let id = world.hex_id();
        world
            .keystone
            .services
            .insert(id.clone(), (kind.to_owned(), name.to_owned()));
        catalog::add_endpoints(world, &id, url);
    }
}

fn role(world: &mut World, name: &str) -> String {
    let id = world.hex_id();
    world.keystone.roles.insert(
        id.clone(),
        Role {
            name: name.to_owned(),
            description: None,
            is_immutable: BOOTSTRAP_ROLES.contains(&name),
        },
    );
    id
}

fn project(world: &mut World, name: &str) -> String {
    let id = world.hex_id();
    let project = Project {
        name: name.to_owned(),
        domain_id: "default".to_owned(),
        description: String::new(),
        enabled: true,
    };
    world.keystone.projects.insert(id.clone(), project);
    id
}

fn user(world: &mut World, domain_id: &str, name: &str, grants: &[(Target, &String)]) {
    let id = world.hex_id();
    let user = User {
        name: name.to_owned(),
        domain_id: domain_id.to_owned(),
        enabled: true,
        password: Some(Secret::new(PASSWORD)),
        default_project_id: None,
        options: serde_json::Map::new(),
        extra: serde_json::Map::new(),
        revoked_before: 0,
    };
    world.keystone.users.insert(id.clone(), user);
    for (target, role_id) in grants {
        let grant = Grant {
            user_id: id.clone(),
            target: target.clone(),
            role_id: (*role_id).clone(),
        };
        world.keystone.grants.insert(grant);
    }
}
