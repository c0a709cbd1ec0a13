//! Rules of new clusters: from what is asked and the template to rows for the store, with every name looked up.

use std::collections::BTreeMap;
use std::time::Duration;

use jeroboam_cloud::compute::Flavor;
use jeroboam_config::IdentityMode;
use jeroboam_driver::ask::{Defaults, Resolved};
use jeroboam_driver::{Ask, Driver};
use jeroboam_store::{NewCluster, Sealed};
use jeroboam_types::cluster::DEFAULT_CREATE_TIMEOUT_MINS;
use jeroboam_types::name::made_up;
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER, ROLE_MASTER, ROLE_WORKER, first_nodes};
use jeroboam_types::{
    Cluster, ClusterId, ClusterName, ClusterTemplate, Coe, Labels, NodeGroup, NodeGroupId, ProjectId, Status,
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use uuid::Uuid;

use crate::context::{Context, date_time};
use crate::error::{ApiError, ApiResult};
use crate::handlers::templates::own_project;
use crate::microversion::Version;
use crate::policy::Action;
use crate::validate::driver::Wanted;
use crate::validate::labels::{self, Unknown};
use crate::validate::lookup::{Lookup, check_root_volume, optional};
use crate::validate::template::{distribution, offer};
use crate::validate::{boot_volume_gib, check_docker_volume};
use crate::wire;
use crate::wire::typing::check_size;

/// Name of the secret with the creator's token, where clusters act by a trust.
const CREATOR_TOKEN: &str = "creator/token";

/// Turns what is asked into rows, and says which labels have no effect.
///
/// # Errors
/// 400, 403, 404 and 409 for what cannot be built, found or used.
pub(crate) async fn accept(
    cx: &Context,
    wanted: wire::cluster::NewCluster,
    template: ClusterTemplate,
) -> ApiResult<(NewCluster, Unknown)> {
    let project_id = own_project(cx, Action::ClusterCreate).await?;
    check_counts(&wanted, cx.version, cx.config().quotas.max_nodes_per_cluster)?;
    check_trust(cx)?;
    let driver = offer(cx).choose(
        template.driver.as_deref(),
        Wanted {
            server_type: template.server_type,
            os: template.cluster_distro.as_deref().unwrap_or_default(),
            coe: template.coe,
        },
    )?;
    let groups_of = (wanted.master_count, wanted.node_count);
    let cluster = with_defaults(cx, wanted, &template, project_id)?;
    let unknown = labels::check(driver.as_ref(), &cluster.labels)?;
    check_docker_volume(
        template.docker_storage_driver.as_deref(),
        cluster.docker_volume_size,
    )?;
    let resolved = Box::pin(resolve(cx, &cluster, &template)).await?;
    let groups = default_groups(&cluster, &template, groups_of)?;
    let mut ask = Ask {
        cluster,
        template,
        groups,
        resolved,
    };
    bound_default_workers(driver.as_ref(), &mut ask)?;
    if groups_of.0 > 1 && !driver.shares_api_address(&ask) {
        let reason = "More than one master needs one address for all: master_lb_enabled, or a label of the driver for it";
        return Err(ApiError::invalid("master_count", groups_of.0, reason));
    }
    let prefix = ask.prefix();
    ask.groups
        .iter_mut()
        .for_each(|group| group.stack_id = Some(prefix.clone()));
    ask.cluster.stack_id = Some(prefix);
    driver
        .validate(&ask)
        .map_err(|invalid| ApiError::invalid_field(&invalid.field, invalid.reason))?;
    let minutes = ask.cluster.create_timeout.filter(|minutes| *minutes > 0);
    let minutes = u64::try_from(minutes.unwrap_or(DEFAULT_CREATE_TIMEOUT_MINS)).unwrap_or(u64::MAX);
    let new = NewCluster {
        sealed: sealed_secrets(cx, ask.cluster.uuid)?,
        cluster: ask.cluster,
        groups: ask.groups,
        resolved: ask.resolved,
        deadline: cx.now().plus(Duration::from_secs(minutes.saturating_mul(60))),
        request_id: cx.ids.outbound().to_owned(),
    };
    Ok((new, unknown))
}

fn check_counts(wanted: &wire::cluster::NewCluster, version: Version, most: u32) -> ApiResult<()> {
    let nodes = i64::from(wanted.master_count) + i64::from(wanted.node_count);
    if nodes > i64::from(most) {
        return Err(ApiError::forbidden(format!(
            "The quota allows a cluster of {most} nodes, and {nodes} are asked for."
        )));
    }
    if wanted.master_count % 2 == 0 {
        return Err(ApiError::invalid(
            "master_count",
            wanted.master_count,
            "An odd number of masters is needed",
        ));
    }
    if wanted.node_count == 0 && version < Version::v1(10) {
        return Err(ApiError::bad_request(
            "Zero node_count is not supported before microversion 1.10.",
        ));
    }
    Ok(())
}

/// Where clusters act by a trust, the creator's token must be one that Keystone lets make a trust.
fn check_trust(cx: &Context) -> ApiResult<()> {
    if cx.config().trust.identity == IdentityMode::Trust && cx.caller.is_app_cred {
        return Err(ApiError::forbidden(
            "A cluster needs a trust here, which Keystone does not let application credentials make: \
             log in with a password instead.",
        ));
    }
    Ok(())
}

fn with_defaults(
    cx: &Context,
    wanted: wire::cluster::NewCluster,
    template: &ClusterTemplate,
    project_id: ProjectId,
) -> ApiResult<Cluster> {
    let name = match wanted.name {
        Some(name) => name,
        None => ClusterName::try_from(made_up(fastrand::u32(..), "cluster")).map_err(ApiError::internal)?,
    };
    let or = |given: Option<String>, default: &Option<String>| given.or_else(|| default.clone());
    let flavor_id = or(wanted.flavor_id, &template.flavor_id);
    // `openstack coe` sends no master flavor unless it is given one: masters are then like workers.
    let master_flavor_id = or(
        or(wanted.master_flavor_id, &template.master_flavor_id),
        &flavor_id,
    );
    let labels = Labels::inherited(&template.labels, wanted.labels, wanted.merge_labels);
    check_size("labels", &labels)?;
    Ok(Cluster {
        uuid: ClusterId(Uuid::new_v4()),
        project_id,
        user_id: cx.caller.user_id.clone(),
        name,
        cluster_template_id: template.uuid,
        keypair: or(wanted.keypair, &template.keypair_id),
        docker_volume_size: wanted.docker_volume_size.or(template.docker_volume_size),
        labels,
        master_flavor_id,
        flavor_id,
        fixed_network: or(wanted.fixed_network, &template.fixed_network),
        fixed_subnet: or(wanted.fixed_subnet, &template.fixed_subnet),
        floating_ip_enabled: wanted
            .floating_ip_enabled
            .absent_or(Some(template.floating_ip_enabled)),
        master_lb_enabled: wanted
            .master_lb_enabled
            .absent_or(Some(template.master_lb_enabled)),
        create_timeout: wanted.create_timeout,
        discovery_url: wanted.discovery_url,
        stack_id: None,
        status: Status::CreateInProgress,
        status_reason: None,
        health_status: None,
        health_status_reason: BTreeMap::new(),
        api_address: None,
        coe_version: None,
        container_version: None,
        created_at: date_time(cx.now()),
        updated_at: None,
    })
}

/// Fields of a template that no cluster can override.
const FINAL: [&str; 11] = [
    "apiserver_port",
    "dns_nameserver",
    "docker_storage_driver",
    "http_proxy",
    "https_proxy",
    "insecure_registry",
    "network_driver",
    "no_proxy",
    "registry_enabled",
    "tls_disabled",
    "volume_driver",
];

/// Refuses a template with a wrong label, or from which the driver can build no cluster at all: it is asked about
/// a plain one. Says which labels have no effect.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn check_template(cx: &Context, template: &ClusterTemplate) -> ApiResult<Unknown> {
    let drivers = &cx.site.drivers;
    let Some(driver) = template.driver.as_deref().and_then(|name| drivers.named(name)) else {
        return Ok(Unknown::default());
    };
    let unknown = labels::check(driver.as_ref(), &template.labels)?;
    let plain = json!({
        "cluster_template_id": template.uuid,
        "flavor_id": "any",
        "master_flavor_id": "any",
        "floating_ip_enabled": false,
        "master_lb_enabled": false,
        "docker_volume_size": i32::MAX,
    });
    let plain = wire::cluster::NewCluster::parse(plain)?;
    let mut cluster = with_defaults(cx, plain, template, template.project_id.clone())?;
    cluster.labels = Labels::default();
    let ask = Ask {
        groups: default_groups(&cluster, template, (1, 1))?,
        cluster,
        template: template.clone(),
        resolved: Resolved {
            image_id: template.image_id.clone(),
            ..Resolved::default()
        },
    };
    match driver.validate(&ask) {
        Err(invalid) if FINAL.contains(&invalid.field.as_str()) => {
            Err(ApiError::invalid_field(&invalid.field, invalid.reason))
        }
        _ => Ok(unknown),
    }
}

/// Looks everything up that the cluster and its template name, all at once and with the caller's rights.
async fn resolve(cx: &Context, cluster: &Cluster, template: &ClusterTemplate) -> ApiResult<Resolved> {
    let boot_gib = boot_volume_gib(&cluster.labels, cx.config().cinder.default_boot_volume_size)?;
    let given = [
        ("flavor_id", &cluster.flavor_id),
        ("master_flavor_id", &cluster.master_flavor_id),
    ];
    if let Some((name, _)) = given.iter().find(|(_, flavor)| boot_gib <= 0 && flavor.is_none()) {
        let reason = "Neither the cluster nor its template names a flavor";
        return Err(ApiError::invalid(name, "None", reason));
    }
    let lookup = Lookup::new(cx);
    let (image, found, external, network, subnet, keypair, server_group_members) = tokio::try_join!(
        lookup.image(&template.image_id),
        lookup.flavors(given.into_iter().filter_map(|(_, flavor)| flavor.as_deref())),
        optional(template.external_network_id.as_deref(), async |ident| lookup
            .external_network(ident)
            .await),
        optional(cluster.fixed_network.as_deref(), async |ident| lookup
            .network(ident)
            .await),
        optional(cluster.fixed_subnet.as_deref(), async |ident| lookup
            .subnet(ident)
            .await),
        optional(cluster.keypair.as_deref(), async |name| lookup
            .keypair(name)
            .await),
        lookup.server_group_members(),
    )?;
    distribution(&image, &template.image_id)?;
    if boot_gib <= 0 {
        found.values().try_for_each(check_root_volume)?;
    }
    if let (Some(network), Some(subnet)) = (&network, &subnet)
        && subnet.network_id != network.id
    {
        let reason = format!("The subnet is not one of the fixed network {}", network.name);
        return Err(ApiError::invalid("fixed_subnet", &subnet.name, reason));
    }
    let subnet = match (&network, subnet) {
        // The only one can be meant. Of several the driver says whether it needs to be told.
        (Some(network), None) => lookup.only_subnet(network).await?,
        (_, subnet) => subnet,
    };
    let fixed_router_id = match &subnet {
        // Pods are routed there.
        Some(subnet) if template.coe == Coe::Kubernetes => lookup.own_router(subnet).await?,
        _ => None,
    };
    let fixed_network_id = network.map(|network| network.id);
    Ok(Resolved {
        kube_version: image.properties.get("kube_version").cloned(),
        image_id: image.id,
        flavors: found
            .into_iter()
            .map(|(ident, flavor): (String, Flavor)| (ident, flavor.id))
            .collect(),
        images: BTreeMap::new(),
        external_network_id: external.map(|network| network.id),
        fixed_network_id: fixed_network_id
            .or_else(|| subnet.as_ref().map(|subnet| subnet.network_id.clone())),
        fixed_subnet_cidr: subnet.as_ref().map(|subnet| subnet.cidr.clone()),
        fixed_subnet_id: subnet.map(|subnet| subnet.id),
        fixed_router_id,
        public_key: keypair.map(|keypair| keypair.public_key),
        server_group_members,
        defaults: operator_defaults(cx),
    })
}

fn operator_defaults(cx: &Context) -> Defaults {
    let (cinder, cluster) = (&cx.config().cinder, &cx.config().cluster);
    Defaults {
        docker_volume_type: cinder.default_docker_volume_type.clone().unwrap_or_default(),
        etcd_volume_type: cinder.default_etcd_volume_type.clone().unwrap_or_default(),
        boot_volume_type: cinder.default_boot_volume_type.clone().unwrap_or_default(),
        boot_volume_size: cinder.default_boot_volume_size,
        add_ons: cx.config().addons.enabled.clone(),
        affinity_policy: cluster.nodes_affinity_policy.as_str().to_owned(),
        source_cidrs: cx.config().engine.source_cidrs.clone(),
    }
}

/// The two node groups that every cluster begins with.
fn default_groups(
    cluster: &Cluster,
    template: &ClusterTemplate,
    (masters, workers): (i32, i32),
) -> ApiResult<Vec<NodeGroup>> {
    let group = |name: &str, role: &str, node_count: i32, flavor_id: &Option<String>| NodeGroup {
        id: 0,
        uuid: NodeGroupId(Uuid::new_v4()),
        name: name.to_owned(),
        cluster_id: cluster.uuid,
        project_id: cluster.project_id.clone(),
        docker_volume_size: cluster.docker_volume_size,
        labels: cluster.labels.clone(),
        flavor_id: flavor_id.clone(),
        image_id: Some(template.image_id.clone()),
        node_addresses: Vec::new(),
        node_count,
        nodes: first_nodes(node_count),
        max_node_count: None,
        min_node_count: None,
        role: role.to_owned(),
        is_default: true,
        stack_id: None,
        status: Status::CreateInProgress,
        status_reason: None,
        version: None,
        node_labels: BTreeMap::new(),
        node_taints: Vec::new(),
        roll: None,
        created_at: cluster.created_at,
        updated_at: None,
    };
    let mut worker = group(DEFAULT_WORKER, ROLE_WORKER, workers, &cluster.flavor_id);
    if let Some(text) = cluster.labels.value("min_node_count") {
        let least = text.trim().parse().ok().filter(|least| *least >= 0);
        let bad = || {
            ApiError::invalid(
                "labels.min_node_count",
                text,
                "Value should be an integer of at least 0",
            )
        };
        worker.min_node_count = Some(least.ok_or_else(bad)?);
    }
    Ok(vec![
        group(DEFAULT_MASTER, ROLE_MASTER, masters, &cluster.master_flavor_id),
        worker,
    ])
}

/// Gives the default workers of a cluster that is scaled by itself the greatest size that Magnum's labels ask for.
///
/// # Errors
/// 400 that names the label, for bounds that `node_count` is not within.
fn bound_default_workers(driver: &dyn Driver, ask: &mut Ask) -> ApiResult<()> {
    if !driver.autoscales(ask) {
        return Ok(());
    }
    let given = ask.cluster.labels.value("max_node_count").map(str::to_owned);
    let worker = ask.groups.iter_mut().find(|group| group.name == DEFAULT_WORKER);
    let Some(worker) = worker else { return Ok(()) };
    let invalid = |label: &str, value: &str, reason: String| {
        Err(ApiError::invalid(&format!("labels.{label}"), value, reason))
    };
    let least = worker.min_node_count.unwrap_or(0);
    if least > worker.node_count {
        let reason = format!("node_count is {}", worker.node_count);
        return invalid("min_node_count", &least.to_string(), reason);
    }
    let most = match &given {
        None => worker.node_count.saturating_add(1),
        Some(text) => match text.trim().parse() {
            Ok(most) if most >= worker.node_count.max(1) => most,
            _ => {
                let reason = format!(
                    "Value should be at least node_count, {}, and 1",
                    worker.node_count
                );
                return invalid("max_node_count", text, reason);
            }
        },
    };
    worker.max_node_count = Some(most);
    Ok(())
}

/// What only the creator can give: where clusters act by a trust, the engine makes it with the caller's token.
fn sealed_secrets(cx: &Context, cluster: ClusterId) -> ApiResult<Vec<Sealed>> {
    if cx.config().trust.identity != IdentityMode::Trust {
        return Ok(Vec::new());
    }
    let aad = format!("sealed/{cluster}/{CREATOR_TOKEN}");
    let token = cx.caller.token.expose_secret().as_bytes();
    let sealed = cx
        .site
        .app
        .keyring
        .seal(&aad, token)
        .map_err(ApiError::internal)?;
    Ok(vec![Sealed {
        name: CREATOR_TOKEN.to_owned(),
        public_part: None,
        sealed,
    }])
}
