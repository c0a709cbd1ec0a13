//! The master key file: one `kid base64(32 bytes)` a line, the sealing key first; `#` begins a comment line.
//!
//! Invariant: the file at its path is complete at every moment, and never open to others than its owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::SealError;

const KEY_BYTES: usize = 32;

/// One line of the file.
pub(super) struct Entry {
    pub(super) kid: String,
    pub(super) key: Zeroizing<[u8; KEY_BYTES]>,
}

impl Entry {
    pub(super) fn generate() -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(key.as_mut_slice()).map_err(|_| SealError::Crypto)?;
        Ok(Self {
            kid: format!("k{}", random_hex()?),
            key,
        })
    }

    fn parse(line: &str) -> Result<Self, &'static str> {
        let mut words = line.split_ascii_whitespace();
        let (Some(kid), Some(key), None) = (words.next(), words.next(), words.next()) else {
            return Err("a key id and a key are expected");
        };
        let plain = kid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !plain || kid.len() > 32 {
            return Err("the key id is not made of up to 32 letters, digits, - and _");
        }
        let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| "the key is not base64")?);
        let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| "the key is not of 32 bytes")?;
        Ok(Self {
            kid: kid.to_owned(),
            key: Zeroizing::new(key),
        })
    }
}

fn random_hex() -> Result<String, SealError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| SealError::Crypto)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> SealError {
    move |source| SealError::File {
        path: path.to_owned(),
        doing,
        source,
    }
}

/// The keys in the file, or `None` when there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Entry>>, SealError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "opened")(error)),
    };
    let mode = file
        .metadata()
        .map_err(failed(path, "examined"))?
        .permissions()
        .mode()
        & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SealError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed(path, "read"))?;

    let malformed = |why: String| SealError::Malformed {
        path: path.to_owned(),
        why,
    };
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = Entry::parse(line).map_err(|why| malformed(format!("line {}: {why}", number + 1)))?;
        if entries.iter().any(|earlier| earlier.kid == entry.kid) {
            return Err(malformed(format!(
                "line {}: the key id stands there twice",
                number + 1
            )));
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(malformed("it holds no keys".to_owned()));
    }
    Ok(Some(entries))
}

/// Makes the file with one new key, unless another process has just done so.
pub(super) fn create(path: &Path) -> Result<(), SealError> {
    let temporary = write_beside(path, &[Entry::generate()?])?;
    // A link, unlike a rename, never replaces the file of a process that was quicker.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(failed(&temporary, "removed"))?;
    match linked {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(path, "created")(error)),
    }
}

/// Replaces the file's keys by what `change` makes of them. Concurrent changes wait for each other.
pub(super) fn rewrite(
    path: &Path,
    change: impl FnOnce(&mut Vec<Entry>) -> Result<(), SealError>,
) -> Result<(), SealError> {
    let directory = File::open(directory_of(path)).map_err(failed(path, "locked"))?;
    directory.lock().map_err(failed(path, "locked"))?;
    let mut entries = read(path)?.ok_or_else(|| failed(path, "opened")(io::ErrorKind::NotFound.into()))?;
    change(&mut entries)?;
    let temporary = write_beside(path, &entries)?;
    fs::rename(&temporary, path).map_err(failed(path, "replaced"))?;
    sync_directory(path)
}

/// A complete, flushed file in the same directory, with a name of its own.
fn write_beside(path: &Path, entries: &[Entry]) -> Result<PathBuf, SealError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", random_hex()?));
    // All at once, so that no growing buffer leaves a copy of a key behind.
    let mut text = Zeroizing::new(String::with_capacity(128 * (entries.len() + 1)));
    for entry in entries {
        let key = Zeroizing::new(STANDARD.encode(entry.key.as_slice()));
        text.extend([entry.kid.as_str(), " ", key.as_str(), "\n"]);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(failed(&temporary, "created"))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed(&temporary, "written"))?;
    Ok(temporary)
}

fn sync_directory(path: &Path) -> Result<(), SealError> {
    File::open(directory_of(path))
        .and_then(|directory| directory.sync_all())
        .map_err(failed(path, "flushed"))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
