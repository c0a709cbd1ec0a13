//! The drivers that this program has.

use std::sync::Arc;

use jeroboam_config::sections;
use jeroboam_driver::Drivers;

/// Every driver, in order of preference.
pub fn all() -> Drivers {
    Drivers::new(vec![
        Arc::new(jeroboam_swarm::SwarmDriver),
        Arc::new(jeroboam_kubernetes::KubernetesDriver),
    ])
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
