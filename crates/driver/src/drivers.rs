//! The drivers of a process, and which of them are offered for new clusters.

use std::fmt;
use std::sync::Arc;

use jeroboam_types::{Coe, ServerType};

use crate::Driver;

/// Drivers that this process has.
#[derive(Clone, Default)]
pub struct Drivers(Arc<Vec<Arc<dyn Driver>>>);

impl Drivers {
    /// The given drivers, in order of preference.
    pub fn new(drivers: Vec<Arc<dyn Driver>>) -> Self {
        Self(Arc::new(drivers))
    }

    /// Driver of a name.
    pub fn named(&self, name: &str) -> Option<&Arc<dyn Driver>> {
        self.0.iter().find(|driver| driver.name() == name)
    }

    /// First driver that builds the combination.
    pub fn providing(&self, server_type: ServerType, os: &str, coe: Coe) -> Option<&Arc<dyn Driver>> {
        self.0.iter().find(|driver| driver.builds(server_type, os, coe))
    }

    /// Every driver.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Driver>> {
        self.0.iter()
    }

    /// Those that new clusters may be made with: all but the disabled ones, and of those in beta only the enabled
    /// ones (`[drivers] disabled_drivers`, `enabled_beta_drivers`). A driver that is not among them goes on to
    /// serve the clusters that it has built.
    pub fn offered(&self, disabled: &[String], enabled_beta: &[String]) -> Self {
        let lists =
            |names: &[String], driver: &Arc<dyn Driver>| names.iter().any(|name| name == driver.name());
        let offered = self
            .iter()
            .filter(|driver| !lists(disabled, driver) && (!driver.beta() || lists(enabled_beta, driver)));
        Self::new(offered.cloned().collect())
    }
}

impl dyn Driver {
    /// True when the driver builds the combination.
    pub fn builds(&self, server_type: ServerType, os: &str, coe: Coe) -> bool {
        self.provides()
            .iter()
            .any(|provides| provides.covers(server_type, os, coe))
    }
}

impl fmt::Debug for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|driver| driver.name()))
            .finish()
    }
}
