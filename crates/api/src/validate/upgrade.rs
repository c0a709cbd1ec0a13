//! Rules of upgrades: which node groups are meant, what their nodes are to be made of, and whether they may be.
//!
//! An upgrade takes of a template what nodes are made of: the image, the flavors that the cluster has from its
//! template, and the labels that the driver names. All else stays as it is for the cluster, so a template that
//! differs in what cannot change is refused.

use std::collections::BTreeMap;

use jeroboam_driver::ask::Resolved;
use jeroboam_driver::{Ask, Driver};
use jeroboam_plan::ledger::nodes_seen;
use jeroboam_store::{ClusterChange, Standing};
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER};
use jeroboam_types::roll::{Order, Source};
use jeroboam_types::{Change, ClusterTemplate, NodeGroup, Roll, Status};

use crate::context::{Context, date_time};
use crate::error::{ApiError, ApiResult};
use crate::validate::change::{change_of, driver_of, group_of};
use crate::validate::lookup::Lookup;
use crate::validate::template::distribution;
use crate::wire::change::Upgrade;

/// Turns an upgrade into a change of its cluster.
///
/// # Errors
/// 404 for an unknown group, 409 for a template that the cluster cannot be of, 400 for an upgrade that the driver
/// cannot make, with the reason.
pub(crate) async fn accept(
    cx: &Context,
    standing: &Standing,
    template: &ClusterTemplate,
    wanted: &Upgrade,
) -> ApiResult<ClusterChange> {
    let names = group_names(standing, template, wanted)?;
    check_alike(&standing.ask.template, template)?;
    let driver = driver_of(cx, &standing.ask.template)?;
    let future = Future::look_up(cx, standing, template, driver.as_ref()).await?;
    let mut after = standing.ask.clone();
    after.resolved.flavors.extend(future.ask.resolved.flavors.clone());
    for group in &mut after.groups {
        let present = driver.revision(&standing.ask, group);
        if !names.contains(&group.name) {
            // From now on what it is made of does not follow from the template any more.
            group.roll.get_or_insert_with(|| Roll::standing(present));
            continue;
        }
        let order = future.order(standing, group, driver.as_ref(), wanted.max_batch_size)?;
        let seen = nodes_seen(&standing.ledger, &group.name);
        group.begin_roll(present, order, &seen);
        group.status = Status::UpdateInProgress;
        group.status_reason = None;
        group.updated_at = Some(date_time(cx.now()));
    }
    let refused = |invalid: jeroboam_driver::Invalid| ApiError::invalid_field(&invalid.field, invalid.reason);
    driver.validate(&after).map_err(refused)?;
    driver.validate_upgrade(&after).map_err(refused)?;
    Ok(ClusterChange {
        groups: after.groups,
        resolved: Some(after.resolved),
        ..change_of(cx, standing, Change::Upgrade)
    })
}

/// The groups that are meant: the named one, or else the control plane with the default workers.
fn group_names(standing: &Standing, template: &ClusterTemplate, wanted: &Upgrade) -> ApiResult<Vec<String>> {
    let Some(named) = wanted.nodegroup.as_deref() else {
        return Ok(vec![DEFAULT_MASTER.to_owned(), DEFAULT_WORKER.to_owned()]);
    };
    let group = group_of(standing, Some(named))?;
    if !group.is_default && template.uuid != standing.ask.cluster.cluster_template_id {
        return Err(ApiError::conflict(format!(
            "Node group {} can be upgraded to the template of its cluster only. Upgrade the cluster first.",
            group.name
        )));
    }
    Ok(vec![group.name.clone()])
}

/// Refuses a template that differs in what a standing cluster cannot change.
fn check_alike(present: &ClusterTemplate, wanted: &ClusterTemplate) -> ApiResult<()> {
    let same = [
        ("coe", present.coe == wanted.coe),
        ("server_type", present.server_type == wanted.server_type),
        ("driver", present.driver == wanted.driver),
        ("cluster_distro", present.cluster_distro == wanted.cluster_distro),
        ("network_driver", present.network_driver == wanted.network_driver),
        ("volume_driver", present.volume_driver == wanted.volume_driver),
        (
            "docker_storage_driver",
            present.docker_storage_driver == wanted.docker_storage_driver,
        ),
        (
            "external_network_id",
            present.external_network_id == wanted.external_network_id,
        ),
        ("dns_nameserver", present.dns_nameserver == wanted.dns_nameserver),
        ("apiserver_port", present.apiserver_port == wanted.apiserver_port),
        ("http_proxy", present.http_proxy == wanted.http_proxy),
        ("https_proxy", present.https_proxy == wanted.https_proxy),
        ("no_proxy", present.no_proxy == wanted.no_proxy),
        (
            "insecure_registry",
            present.insecure_registry == wanted.insecure_registry,
        ),
        (
            "registry_enabled",
            present.registry_enabled == wanted.registry_enabled,
        ),
        ("tls_disabled", present.tls_disabled == wanted.tls_disabled),
    ];
    let others: Vec<&str> = same
        .iter()
        .filter(|(_, same)| !same)
        .map(|(name, _)| *name)
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "The cluster cannot be upgraded to cluster template {}, which differs from its own in {}: an upgrade \
         changes the image, the flavors and the version only.",
        wanted.uuid,
        others.join(", ")
    )))
}

/// A cluster of the new template, to see what its nodes would be made of.
struct Future {
    ask: Ask,
    labels: BTreeMap<String, Option<String>>,
}

impl Future {
    /// Looks up what the template names, with the caller's rights.
    async fn look_up(
        cx: &Context,
        standing: &Standing,
        template: &ClusterTemplate,
        driver: &dyn Driver,
    ) -> ApiResult<Self> {
        let lookup = Lookup::new(cx);
        let given = [&template.flavor_id, &template.master_flavor_id];
        let flavors = given.into_iter().filter_map(Option::as_deref);
        let (image, flavors) = tokio::try_join!(lookup.image(&template.image_id), lookup.flavors(flavors))?;
        let distro = distribution(&image, &template.image_id)?;
        if template
            .cluster_distro
            .as_ref()
            .is_some_and(|known| *known != distro)
        {
            return Err(ApiError::conflict(format!(
                "Image {} is of {distro} now, and the cluster is not.",
                template.image_id
            )));
        }
        let mut ask = standing.ask.clone();
        let found = flavors.into_iter().map(|(ident, flavor)| (ident, flavor.id));
        ask.resolved = Resolved {
            image_id: image.id,
            kube_version: image.properties.get("kube_version").cloned(),
            ..ask.resolved
        };
        ask.resolved.flavors.extend(found);
        ask.template = template.clone();
        let mut labels = BTreeMap::new();
        for name in driver.upgrade_labels() {
            let value = template.labels.value(name).map(str::to_owned);
            match &value {
                Some(value) => ask.cluster.labels.0.insert((*name).to_owned(), value.clone()),
                None => ask.cluster.labels.0.remove(*name),
            };
            if value.is_some() || standing.ask.cluster.labels.value(name).is_some() {
                labels.insert((*name).to_owned(), value);
            }
        }
        // The groups as those of a new cluster, of which nothing is settled yet.
        for group in &mut ask.groups {
            group.roll = None;
            group.image_id = Some(template.image_id.clone());
        }
        Ok(Self { ask, labels })
    }

    /// What a group's nodes are to be made of.
    fn order(
        &self,
        standing: &Standing,
        group: &NodeGroup,
        driver: &dyn Driver,
        batch: u32,
    ) -> ApiResult<Order> {
        let flavor = |template: &ClusterTemplate| match group.is_master() {
            true => template
                .master_flavor_id
                .clone()
                .or_else(|| template.flavor_id.clone()),
            false => template.flavor_id.clone(),
        };
        let given = standing.ask.flavor_given(group).map(str::to_owned);
        // One that is not the template's, its cluster's or the one that it was last upgraded to, was chosen for it.
        let source = group.roll.as_ref().and_then(|roll| roll.source.as_ref());
        let follows = given == flavor(&standing.ask.template)
            || source.is_some_and(|source| source.flavor_id.is_some());
        let new = flavor(&self.ask.template).filter(|_| follows);
        let flavor_id = new.clone().or(given);
        let image_id = self.ask.template.image_id.clone();
        let future = NodeGroup {
            roll: None,
            image_id: Some(image_id.clone()),
            flavor_id,
            ..group.clone()
        };
        driver
            .validate(&self.ask)
            .map_err(|invalid| ApiError::invalid_field(&invalid.field, invalid.reason))?;
        Ok(Order {
            target: driver.revision(&self.ask, &future),
            source: Source {
                template: self.ask.template.uuid,
                image_id,
                flavor_id: new,
                labels: self.labels.clone(),
            },
            batch,
        })
    }
}
