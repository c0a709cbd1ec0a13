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
                .drivers
                .named(name)
                .ok_or_else(|| ApiError::bad_request(format!("Cluster driver {name} is not supported.")))?;
            return if builds(driver, wanted) {
                Ok(Arc::clone(driver))
            } else {
                Err(unsupported(wanted))
            };
        }
        let default = self
            .default
            .and_then(|name| self.drivers.named(name))
            .filter(|driver| builds(driver, wanted));
        let chosen = default.or_else(|| self.drivers.iter().find(|driver| builds(driver, wanted)));
        chosen.map(Arc::clone).ok_or_else(|| unsupported(wanted))
    }
}

fn builds(driver: &Arc<dyn Driver>, wanted: Wanted<'_>) -> bool {
    driver.builds(wanted.server_type, wanted.os, wanted.coe)
}

fn unsupported(wanted: Wanted<'_>) -> ApiError {
    ApiError::bad_request(format!(
        "Cluster type ({}, {}, {}) is not supported.",
        wanted.server_type.as_str(),
        wanted.os,
        wanted.coe
    ))
}
