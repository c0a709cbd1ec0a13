//! Rules of cluster templates.

use std::net::Ipv4Addr;

use jeroboam_cloud::image::Image;
use jeroboam_config::Config;
use jeroboam_types::Coe;

use crate::context::Context;
use crate::error::{ApiError, ApiResult};
use crate::validate::driver::{Offer, Wanted};
use crate::validate::lookup::{Lookup, check_root_volume, optional};
use crate::validate::{boot_volume_gib, check_docker_volume};
use crate::wire::template::TemplateFields;

/// Image property that names a driver.
const DRIVER_PROPERTY: &str = "magnum_driver";

/// Checks what needs no other service, and fills in the default network driver.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn check(fields: &mut TemplateFields, config: &Config) -> ApiResult<()> {
    check_network_driver(fields, config)?;
    if let Some(driver) = fields.volume_driver.as_deref() {
        let known = match fields.coe {
            Coe::Kubernetes => "cinder",
            Coe::Swarm | Coe::SwarmMode | Coe::Mesos => "rexray",
        };
        if driver != known {
            let reason = format!("Volume drivers of {} are: {known}", fields.coe);
            return Err(ApiError::invalid("volume_driver", driver, reason));
        }
    }
    check_docker_volume(fields.docker_storage_driver.as_deref(), fields.docker_volume_size)?;
    if let Some(servers) = fields.dns_nameserver.as_deref() {
        let all_addresses = servers
            .split(',')
            .all(|server| server.trim().parse::<Ipv4Addr>().is_ok());
        if !all_addresses {
            let reason = "A list of IPv4 addresses, separated by commas, is expected";
            return Err(ApiError::invalid("dns_nameserver", servers, reason));
        }
    }
    boot_volume_gib(&fields.labels, 0).map(drop)
}

fn check_network_driver(fields: &mut TemplateFields, config: &Config) -> ApiResult<()> {
    let options = &config.cluster_template;
    let any = ["all".to_owned()];
    let (known, allowed, default): (&[&str], &[String], &str) = match fields.coe {
        Coe::Kubernetes => (
            &["flannel", "calico", "cilium", "neutron"],
            &options.kubernetes_allowed_network_drivers,
            &options.kubernetes_default_network_driver,
        ),
        Coe::Swarm => (
            &["docker", "flannel"],
            &options.swarm_allowed_network_drivers,
            &options.swarm_default_network_driver,
        ),
        Coe::SwarmMode => (&["docker"], &any, "docker"),
        Coe::Mesos => (&["docker"], &any, "docker"),
    };
    let driver = fields.network_driver.get_or_insert_with(|| default.to_owned());
    if !known.contains(&driver.as_str()) {
        let reason = format!("Network drivers of {} are: {}", fields.coe, known.join(", "));
        return Err(ApiError::invalid("network_driver", driver, reason));
    }
    if !allowed.iter().any(|name| name == "all" || name == driver) {
        let reason = format!("Network drivers allowed here are: {}", allowed.join(", "));
        return Err(ApiError::invalid("network_driver", driver, reason));
    }
    Ok(())
}

/// Looks up everything that a new template names, and fills in the distribution and the driver.
///
/// # Errors
/// 400, 403 and 409 for what cannot be found, may not be used or is ambiguous.
pub(crate) async fn resolve_new(cx: &Context, fields: &mut TemplateFields) -> ApiResult<()> {
    let image = look_up(cx, fields, &|_| true).await?;
    if let Some(image) = image {
        fields.cluster_distro = Some(distribution(&image, &fields.image_id)?);
        let named = fields
            .driver
            .clone()
            .or_else(|| image.properties.get(DRIVER_PROPERTY).cloned());
        fields.driver = Some(choose(cx, fields, named.as_deref())?);
    }
    Ok(())
}

/// Looks up what a patch has changed; what stayed is not asked for, so that a flavor that is gone meanwhile does
/// not stand in the way of a new name.
///
/// # Errors
/// As [`resolve_new`].
pub(crate) async fn resolve_changed(
    cx: &Context,
    fields: &mut TemplateFields,
    changed: &[&str],
) -> ApiResult<()> {
    let is_changed = |name: &str| changed.contains(&name);
    // A distribution is right or wrong for an image, so a change of either asks for it.
    let is_looked_up = |name: &str| is_changed(name) || name == "image_id" && is_changed("cluster_distro");
    let image = look_up(cx, fields, &is_looked_up).await?;
    if let Some(image) = &image {
        let distro = distribution(image, &fields.image_id)?;
        if is_changed("cluster_distro")
            && let Some(given) = fields.cluster_distro.as_deref().filter(|given| *given != distro)
        {
            let reason = format!("The image {} has os_distro {distro}", fields.image_id);
            return Err(ApiError::invalid("cluster_distro", given, reason));
        }
        fields.cluster_distro = Some(distro);
    }
    if ["coe", "server_type", "driver", "image_id", "cluster_distro"]
        .into_iter()
        .any(is_changed)
    {
        let property = image.and_then(|image| image.properties.get(DRIVER_PROPERTY).cloned());
        let named = fields
            .driver
            .clone()
            .filter(|_| is_changed("driver"))
            .or(property);
        fields.driver = Some(choose(cx, fields, named.as_deref())?);
    }
    Ok(())
}

/// Checks what is named, as far as it is changed, all at once; answers the image if it was among it.
async fn look_up(
    cx: &Context,
    fields: &TemplateFields,
    is_changed: &(dyn Fn(&str) -> bool + Sync),
) -> ApiResult<Option<Image>> {
    let lookup = Lookup::new(cx);
    let if_changed =
        |name: &str, value: Option<&'_ str>| value.filter(|_| is_changed(name)).map(str::to_owned);
    let image = if_changed("image_id", Some(&fields.image_id));
    let external = if_changed("external_network_id", fields.external_network_id.as_deref());
    let network = if_changed("fixed_network", fields.fixed_network.as_deref());
    let subnet = if_changed("fixed_subnet", fields.fixed_subnet.as_deref());
    let boot_changed = is_changed("labels");
    let flavor_idents: Vec<&str> = [
        ("flavor_id", &fields.flavor_id),
        ("master_flavor_id", &fields.master_flavor_id),
    ]
    .into_iter()
    .filter(|(name, _)| boot_changed || is_changed(name))
    .filter_map(|(_, ident)| ident.as_deref())
    .collect();
    let (image, found, ..) = tokio::try_join!(
        optional(image.as_deref(), async |ident| lookup.image(ident).await),
        lookup.flavors(flavor_idents),
        optional(external.as_deref(), async |ident| lookup
            .external_network(ident)
            .await),
        optional(network.as_deref(), async |ident| lookup.network(ident).await),
        optional(subnet.as_deref(), async |ident| lookup.subnet(ident).await),
    )?;
    if boot_volume_gib(&fields.labels, cx.config().cinder.default_boot_volume_size)? <= 0 {
        found.values().try_for_each(check_root_volume)?;
    }
    Ok(image)
}

/// `os_distro` of an image.
///
/// # Errors
/// 400 without one.
pub(crate) fn distribution(image: &Image, ident: &str) -> ApiResult<String> {
    image
        .os_distro
        .clone()
        .filter(|distro| !distro.is_empty())
        .ok_or_else(|| {
            ApiError::bad_request(format!("Image {ident} does not contain the property os_distro."))
        })
}

fn choose(cx: &Context, fields: &TemplateFields, named: Option<&str>) -> ApiResult<String> {
    let wanted = Wanted {
        server_type: fields.server_type,
        os: fields.cluster_distro.as_deref().unwrap_or_default(),
        coe: fields.coe,
    };
    offer(cx)
        .choose(named, wanted)
        .map(|driver| driver.name().to_owned())
}

/// Drivers that this service offers.
pub(crate) fn offer(cx: &Context) -> Offer<'_> {
    Offer {
        drivers: &cx.site.drivers,
        default: cx.config().drivers.default_driver.as_deref(),
    }
}
