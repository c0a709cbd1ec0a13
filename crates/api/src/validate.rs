//! Rules that need more than one field, the options, the drivers or the cloud. Nothing here writes.

pub(crate) mod change;
pub(crate) mod cluster;
pub(crate) mod driver;
pub(crate) mod group;
pub(crate) mod labels;
pub(crate) mod lookup;
pub(crate) mod memory;
pub(crate) mod rotation;
pub(crate) mod template;
pub(crate) mod upgrade;

use jeroboam_types::Labels;

use crate::error::{ApiError, ApiResult};

/// Label with the size of the volumes that nodes boot from.
const BOOT_VOLUME_SIZE: &str = "boot_volume_size";

/// GiB of the volumes that nodes boot from; zero or less boots from the image, on the flavor's own disk.
///
/// # Errors
/// 400 for a label that is no integer.
pub(crate) fn boot_volume_gib(labels: &Labels, default_gib: u32) -> ApiResult<i64> {
    match labels.value(BOOT_VOLUME_SIZE) {
        None => Ok(i64::from(default_gib)),
        Some(text) => text.trim().parse().map_err(|_| {
            let shown: String = text.chars().take(200).collect();
            let reason = format!("{shown:?} is not a whole number of GiB");
            ApiError::invalid_field(&format!("labels.{BOOT_VOLUME_SIZE}"), reason)
        }),
    }
}

/// The storage driver `devicemapper` needs a volume of its own.
fn check_docker_volume(storage_driver: Option<&str>, size_gib: Option<i32>) -> ApiResult<()> {
    const LEAST_GIB: i32 = 3;
    if storage_driver == Some("devicemapper") && size_gib.is_none_or(|size| size < LEAST_GIB) {
        return Err(ApiError::invalid(
            "docker_volume_size",
            size_gib.map_or_else(|| "None".to_owned(), |size| size.to_string()),
            format!("The storage driver devicemapper needs at least {LEAST_GIB} GiB"),
        ));
    }
    Ok(())
}
