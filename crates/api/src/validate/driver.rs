//! Choice of the driver: who asks for one by name gets it or a refusal, and nobody gets one that does not build
//! what is asked.

use std::sync::Arc;

use jeroboam_driver::{Driver, Drivers};
use jeroboam_types::{Coe, ServerType};

use crate::error::{ApiError, ApiResult};

/// What a driver must build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) server_type: ServerType,
    /// `os_distro` of the image.
    pub(crate) os: &'a str,
    pub(crate) coe: Coe,
}

/// Drivers that are offered.
pub(crate) struct Offer<'a> {
    pub(crate) drivers: &'a Drivers,
    /// `[drivers] disabled_drivers`
    pub(crate) disabled: &'a [String],
    /// `[drivers] default_driver`
    pub(crate) default: Option<&'a str>,
}

impl Offer<'_> {
    /// The driver of a name (from the request or else the image's property `magnum_driver`), or else the default
    /// one, or else the first, that builds what is wanted.
    ///
    /// # Errors
    /// 400 for an unknown name, and when the named one or none builds it.
    pub(crate) fn choose(&self, named: Option<&str>, wanted: Wanted<'_>) -> ApiResult<Arc<dyn Driver>> {
        if let Some(name) = named {
            let driver = self
                .find(name)
                .ok_or_else(|| ApiError::bad_request(format!("Cluster driver {name} is not supported.")))?;
            return if builds(driver, wanted) {
                Ok(Arc::clone(driver))
            } else {
                Err(unsupported(wanted))
            };
        }
        let default = self
            .default
            .and_then(|name| self.find(name))
            .filter(|driver| builds(driver, wanted));
        let chosen = default.or_else(|| self.offered().find(|driver| builds(driver, wanted)));
        chosen.map(Arc::clone).ok_or_else(|| unsupported(wanted))
    }

    fn offered(&self) -> impl Iterator<Item = &Arc<dyn Driver>> {
        self.drivers
            .iter()
            .filter(|driver| !self.disabled.iter().any(|name| name == driver.name()))
    }

    /// The driver of a name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<dyn Driver>> {
        self.offered().find(|driver| driver.name() == name)
    }
}

fn builds(driver: &Arc<dyn Driver>, wanted: Wanted<'_>) -> bool {
    driver.provides().iter().any(|provides| {
        provides.server_type == wanted.server_type
            && provides.coe == wanted.coe
            && provides.os.is_none_or(|os| os == wanted.os)
    })
}

fn unsupported(wanted: Wanted<'_>) -> ApiError {
    ApiError::bad_request(format!(
        "Cluster type ({}, {}, {}) is not supported.",
        wanted.server_type.as_str(),
        wanted.os,
        wanted.coe
    ))
}
