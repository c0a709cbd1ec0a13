//! The drivers that this program has.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context;
use jeroboam_addons::KeystonePolicy;
use jeroboam_config::{Config, sections};
use jeroboam_driver::{Driver, Drivers, label};
use jeroboam_kubernetes::AddOnSettings;

use crate::addons;

/// Every driver, in order of preference.
///
/// # Errors
/// A catalogue of add-ons, or a file of certificates, that cannot be used.
pub fn all(config: &Config) -> anyhow::Result<Drivers> {
    let authority = match (&config.drivers.openstack_ca_file, config.drivers.verify_ca) {
        (Some(file), true) => {
            let text = std::fs::read_to_string(file);
            Some(
                text.with_context(|| format!("[drivers] openstack_ca_file: cannot read {}", file.display()))?,
            )
        }
        _ => None,
    };
    let add_ons = AddOnSettings {
        catalogue: addons::catalogue(config)?,
        helm: config.addons.helm.clone(),
        cloud_authority: authority,
        verify_cloud: config.drivers.verify_ca,
        has_endpoint: config.bootstrap.url.is_some(),
        keystone_auth_policy: keystone_policy(config)?,
    };
    Ok(Drivers::new(vec![
        Arc::new(jeroboam_swarm::SwarmDriver),
        Arc::new(jeroboam_kubernetes::KubernetesDriver::new(add_ons)),
    ]))
}

/// Who may do what by a token of Keystone, as configured.
///
/// # Errors
/// A file that cannot be read, and a policy that cannot be used.
pub fn keystone_policy(config: &Config) -> anyhow::Result<KeystonePolicy> {
    let option = "[kubernetes] keystone_auth_default_policy";
    let Some(file) = &config.kubernetes.keystone_auth_default_policy else {
        return Ok(KeystonePolicy::shipped()?);
    };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("{option}: cannot read {}", file.display()))?;
    KeystonePolicy::parse(&text).with_context(|| format!("{option}: {}", file.display()))
}

/// Names in the options that no driver has.
pub fn warnings(drivers: &Drivers, options: &sections::Drivers) -> Vec<String> {
    let lists = [
        ("disabled_drivers", options.disabled_drivers.as_slice()),
        ("enabled_beta_drivers", options.enabled_beta_drivers.as_slice()),
        ("default_driver", options.default_driver.as_slice()),
    ];
    let named = lists
        .into_iter()
        .flat_map(|(option, names)| names.iter().map(move |name| (option, name)));
    let unknown = named.filter(|(_, name)| drivers.named(name).is_none());
    let known: Vec<&str> = drivers.iter().map(|driver| driver.name()).collect();
    unknown
        .map(|(option, name)| {
            let known = known.join(", ");
            format!("[drivers] {option}: there is no driver {name:?}; there are: {known}")
        })
        .collect()
}

/// What the drivers are, for people: one paragraph for each.
pub fn table(drivers: &Drivers, options: &sections::Drivers, labels: bool) -> String {
    let offered = drivers.offered(&options.disabled_drivers, &options.enabled_beta_drivers);
    let mut text = String::new();
    for driver in drivers.iter() {
        let (name, state) = (driver.name(), state(driver.as_ref(), &offered));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {state}");
        for provides in driver.provides() {
            let (server, os) = (
                provides.server_type.as_str(),
                provides.os.unwrap_or("any os_distro"),
            );
            let _ = writeln!(text, "  builds {} on {server}, {os}", provides.coe);
        }
        if labels {
            let _ = writeln!(text, "\n{}", label::table(driver.labels()));
        }
    }
    text
}

fn state(driver: &dyn Driver, offered: &Drivers) -> &'static str {
    match (offered.named(driver.name()).is_some(), driver.beta()) {
        (true, false) => "offered",
        (true, true) => "offered (beta)",
        (false, true) => "not offered (beta: see [drivers] enabled_beta_drivers)",
        (false, false) => "not offered ([drivers] disabled_drivers)",
    }
}
