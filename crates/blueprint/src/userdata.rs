//! User-data: pieces of it, and its size.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jeroboam_driver::{DriverError, Key, NodeAsk};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Longest base64 text that Nova takes as `user_data` (its column and schema end there).
const NOVA_LIMIT_BYTES: usize = 65_535;

/// User-data above this size is compressed; cloud-init recognises it.
const PLAIN_LIMIT_BYTES: usize = 32 * 1024;

/// A fact of what is made already.
///
/// # Errors
/// When it is missing.
pub fn fact(asked: &NodeAsk<'_>, key: &Key, name: &str) -> Result<String, DriverError> {
    let value = asked.made.fact(key, name).map(str::to_owned);
    value.ok_or_else(|| DriverError::Internal(format!("{key} has no {name}")))
}

/// Device of an attached volume.
///
/// # Errors
/// When the volume is not made.
pub fn volume_device(asked: &NodeAsk<'_>, key: &Key) -> Result<String, DriverError> {
    let volume = asked.made.0.get(key);
    let volume = volume.ok_or_else(|| DriverError::Internal(format!("{key} is not there")))?;
    // A virtio disk's serial number, which udev names it by, ends after 20 bytes.
    let serial: String = volume.id.chars().take(20).collect();
    Ok(format!("/dev/disk/by-id/virtio-{serial}"))
}

/// A file of cloud-init's `write_files`.
pub fn file(path: &str, permissions: &str, content: &str) -> Value {
    json!({"path": path, "permissions": permissions, "content": content})
}

/// What a node fetches: a line for each file, `<path> <contents in base64>`, and `end` as the last one, by which the node
/// knows that it has all. Paths have no blanks.
pub fn secret_lines<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> SecretString {
    let lines = files
        .into_iter()
        .map(|(path, content)| format!("{path} {}\n", BASE64_STANDARD.encode(content)));
    SecretString::from(lines.collect::<String>() + "end\n")
}

/// Compresses what is long, and refuses what Nova would refuse.
///
/// # Errors
/// When it is too long even so.
pub fn pack(text: &str) -> Result<Vec<u8>, DriverError> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() > PLAIN_LIMIT_BYTES {
        bytes = gzip(&bytes)?;
    }
    check_length(&bytes)?;
    Ok(bytes)
}

/// Compresses.
///
/// # Errors
/// Never in practice: it is all in memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>, DriverError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.map_err(|error| DriverError::Internal(error.to_string()))
}

/// Refuses what Nova would refuse.
///
/// # Errors
/// When it is too long.
pub fn check_length(bytes: &[u8]) -> Result<(), DriverError> {
    let encoded = bytes.len().div_ceil(3) * 4;
    if encoded > NOVA_LIMIT_BYTES {
        let reason = format!("user-data of {encoded} bytes, and Nova takes at most {NOVA_LIMIT_BYTES}");
        return Err(DriverError::Internal(reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_user_data_is_compressed_and_too_long_is_refused() {
        let long = "#cloud-config\n".to_owned() + &"a".repeat(PLAIN_LIMIT_BYTES);
        assert_eq!(pack(&long).unwrap()[..2], [0x1f, 0x8b]);
        assert_eq!(pack("#cloud-config\n{}").unwrap(), b"#cloud-config\n{}");
        let random: String = std::iter::repeat_with({
            let mut state = 1_u64;
            move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(33 + (state >> 57) as u8 % 90)
            }
        })
        .take(100_000)
        .collect();
        assert!(matches!(pack(&random), Err(DriverError::Internal(reason)) if reason.contains("65535")));
    }
}
