//! Values that only swarms have, from text.

use jeroboam_driver::Invalid;

use super::StorageDriver;
use crate::{API_PORT, JOIN_PORT};

/// Ports that the template's `apiserver_port` must leave alone.
const TAKEN_PORTS: &[i32] = &[2377, JOIN_PORT as i32, 4789, 7946];

/// Port of Docker's API.
pub(super) fn api_port(port: Option<i32>) -> Result<u16, Invalid> {
    let Some(port) = port else { return Ok(API_PORT) };
    u16::try_from(port)
        .ok()
        .filter(|number| *number >= 1024 && !TAKEN_PORTS.contains(&port))
        .ok_or_else(|| {
            Invalid::new(
                "apiserver_port",
                format!("{port} cannot be the port of Docker's API"),
            )
        })
}

/// Reads the name of a storage driver; `overlay2` when there is none.
pub(super) fn storage_driver(text: Option<&str>) -> Result<StorageDriver, Invalid> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(StorageDriver::Overlay2);
    };
    StorageDriver::ALL
        .iter()
        .copied()
        .find(|driver| driver.as_str() == text)
        .ok_or_else(|| {
            let known: Vec<_> = StorageDriver::ALL.iter().map(|driver| driver.as_str()).collect();
            Invalid::new(
                "docker_storage_driver",
                format!("{text:?} is not one of {}", known.join(", ")),
            )
        })
}
