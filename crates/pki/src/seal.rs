//! Secrets at rest: AES-256-GCM under a master key that lives in a file, apart from the database.
//!
//! A sealed text is `v1.<kid>.<nonce>.<ciphertext>` (the last two in URL-safe base64 without padding). It opens
//! only with the same associated data, which names its place (table, row, column): a text copied to another row
//! is refused.

mod file;

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{SecretBox, SecretString};
use zeroize::Zeroizing;

const VERSION: &str = "v1";

/// A failed operation on the master key file or on a sealed text. Holds neither keys nor secrets.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The master key file cannot be read or written.
    #[error("the master key file {path} cannot be {doing}")]
    File {
        /// The file.
        path: PathBuf,
        /// `opened`, `written`, ...
        doing: &'static str,
        /// The reason.
        source: std::io::Error,
    },
    /// Others than the owner have access to the master key file.
    #[error(
        "the master key file {path} is open to others than its owner (mode {mode:04o}): chmod it to 0600"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line of the master key file is not `kid base64(32 bytes)`, or the file has no keys.
    #[error("the master key file {path} is not valid: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason, with the line's number.
        why: String,
    },
    /// The text is not one that `seal` has made.
    #[error("the sealed text is malformed")]
    NotSealed,
    /// The keyring lacks the key of the text.
    #[error("the master key {kid:?} is not in the keyring")]
    UnknownKey {
        /// The key's id.
        kid: String,
    },
    /// The text was changed, or belongs to another place.
    #[error("the sealed text does not belong here or was changed")]
    Tampered,
    /// The cryptographic library refused to work.
    #[error("sealing failed")]
    Crypto,
}

/// The master keys: the first seals, all open.
pub struct Keyring {
    keys: Vec<MasterKey>,
}

struct MasterKey {
    kid: String,
    key: RandomizedNonceKey,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("kids", &self.kids())
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads the keyring at `path`, or makes one with a new key there (mode 0600). When several processes start
    /// at once all end up with the same key. The directory must exist.
    pub fn open_or_create(path: &Path) -> Result<Self, SealError> {
        if let Some(keyring) = file::read(path)? {
            return Self::from_entries(keyring);
        }
        file::create(path)?;
        Self::open(path)
    }

    /// Reads the keyring at `path`, which must exist and be closed to everybody but its owner.
    pub fn open(path: &Path) -> Result<Self, SealError> {
        let missing = || SealError::File {
            path: path.to_owned(),
            doing: "opened",
            source: std::io::ErrorKind::NotFound.into(),
        };
        Self::from_entries(file::read(path)?.ok_or_else(missing)?)
    }

    /// Puts a new key in front of those in the file at `path`, and gives the keyring that results. The old keys
    /// stay, so that what they sealed still opens; other processes must read the file again before they can open
    /// what the new key seals.
    pub fn rotate(path: &Path) -> Result<Self, SealError> {
        file::rewrite(path, |entries| {
            entries.insert(0, file::Entry::generate()?);
            Ok(())
        })?;
        Self::open(path)
    }

    /// Takes the keys whose ids are not in `in_use` out of the file at `path`, except the first. Returns the ids of
    /// those taken out. Only to be called when every process has read the file since the last rotation.
    pub fn drop_unused(path: &Path, in_use: &[&str]) -> Result<Vec<String>, SealError> {
        let mut dropped = Vec::new();
        file::rewrite(path, |entries| {
            let mut first = true;
            entries.retain(|entry| {
                let kept = std::mem::take(&mut first) || in_use.contains(&entry.kid.as_str());
                if !kept {
                    dropped.push(entry.kid.clone());
                }
                kept
            });
            Ok(())
        })?;
        Ok(dropped)
    }

    fn from_entries(entries: Vec<file::Entry>) -> Result<Self, SealError> {
        let keys = entries
            .into_iter()
            .map(|entry| {
                let key = RandomizedNonceKey::new(&AES_256_GCM, entry.key.as_slice())
                    .map_err(|_| SealError::Crypto)?;
                Ok(MasterKey { kid: entry.kid, key })
            })
            .collect::<Result<Vec<_>, SealError>>()?;
        Ok(Self { keys })
    }

    /// The id of the key that seals.
    pub fn primary_kid(&self) -> &str {
        self.keys.first().map_or("", |key| &key.kid)
    }

    /// The ids of all keys, the sealing one first.
    pub fn kids(&self) -> Vec<&str> {
        self.keys.iter().map(|key| key.kid.as_str()).collect()
    }

    /// Seals `plain` for the place that `aad` names, such as `certificates/<uuid>/private_key`.
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Result<String, SealError> {
        let primary = self.keys.first().ok_or(SealError::Crypto)?;
        // With room for the tag, so that the plaintext is not left behind by a reallocation.
        let mut bytes = Zeroizing::new(Vec::with_capacity(plain.len() + AES_256_GCM.tag_len()));
        bytes.extend_from_slice(plain);
        let nonce = primary
            .key
            .seal_in_place_append_tag(Aad::from(bound(&primary.kid, aad)), &mut *bytes)
            .map_err(|_| SealError::Crypto)?;
        let nonce = URL_SAFE_NO_PAD.encode(nonce.as_ref());
        Ok(format!(
            "{VERSION}.{}.{nonce}.{}",
            primary.kid,
            URL_SAFE_NO_PAD.encode(bytes.as_slice())
        ))
    }

    /// Opens what [`Keyring::seal`] made for the same `aad`.
    pub fn open_sealed(&self, aad: &str, sealed: &str) -> Result<SecretBox<Vec<u8>>, SealError> {
        let (kid, nonce, ciphertext) = split(sealed).ok_or(SealError::NotSealed)?;
        let nonce = URL_SAFE_NO_PAD
            .decode(nonce)
            .ok()
            .and_then(|nonce| <[u8; NONCE_LEN]>::try_from(nonce).ok());
        let nonce = Nonce::assume_unique_for_key(nonce.ok_or(SealError::NotSealed)?);
        let mut bytes = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(ciphertext)
                .map_err(|_| SealError::NotSealed)?,
        );
        let master = self
            .keys
            .iter()
            .find(|key| key.kid == kid)
            .ok_or_else(|| SealError::UnknownKey { kid: kid.to_owned() })?;
        let plain = master
            .key
            .open_in_place(nonce, Aad::from(bound(kid, aad)), &mut bytes)
            .map_err(|_| SealError::Tampered)?;
        Ok(SecretBox::new(Box::new(plain.to_vec())))
    }

    /// As [`Keyring::open_sealed`], for text.
    pub fn open_text(&self, aad: &str, sealed: &str) -> Result<SecretString, SealError> {
        use secrecy::ExposeSecret as _;
        let bytes = self.open_sealed(aad, sealed)?;
        let text = std::str::from_utf8(bytes.expose_secret()).map_err(|_| SealError::NotSealed)?;
        Ok(SecretString::from(text))
    }
}

/// The id of the key that sealed the text: what a re-encryption after a rotation looks at.
pub fn kid_of(sealed: &str) -> Option<&str> {
    split(sealed).map(|(kid, _, _)| kid)
}

fn split(sealed: &str) -> Option<(&str, &str, &str)> {
    let mut parts = sealed.split('.');
    let found = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && found.0 == VERSION).then_some((found.1, found.2, found.3))
}

/// The associated data: the envelope's own fields and the place.
fn bound(kid: &str, aad: &str) -> String {
    format!("{VERSION}.{kid}.{aad}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;

    const PLACE: &str = "certificates/42/private_key";

    fn keyring() -> (tempfile::TempDir, PathBuf, Keyring) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let keyring = Keyring::open_or_create(&path).unwrap();
        (dir, path, keyring)
    }

    #[test]
    fn a_sealed_text_opens_in_its_place_only() {
        let (_dir, _, keyring) = keyring();
        let sealed = keyring.seal(PLACE, b"hush").unwrap();
        assert!(!sealed.contains("hush"));
        assert_eq!(kid_of(&sealed), Some(keyring.primary_kid()));
        assert_eq!(keyring.open_text(PLACE, &sealed).unwrap().expose_secret(), "hush");
        let elsewhere = keyring.open_text("certificates/43/private_key", &sealed);
        assert!(matches!(elsewhere, Err(SealError::Tampered)));
    }

    #[test]
    fn sealing_twice_gives_different_texts() {
        let (_dir, _, keyring) = keyring();
        assert_ne!(
            keyring.seal(PLACE, b"x").unwrap(),
            keyring.seal(PLACE, b"x").unwrap()
        );
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let (_dir, _, keyring) = keyring();
        let sealed = keyring.seal(PLACE, b"hush").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(keyring.open_sealed(PLACE, &changed).is_err(), "character {at}");
        }
        for text in ["", "v1", "v1...", "hush", "v2.a.b.c", "v1.a.b.c.d"] {
            assert!(
                matches!(keyring.open_sealed(PLACE, text), Err(SealError::NotSealed)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_rotation_changes_the_sealing_key_and_keeps_the_old_one_for_opening() {
        let (_dir, path, before) = keyring();
        let old = before.seal(PLACE, b"hush").unwrap();
        let after = Keyring::rotate(&path).unwrap();
        assert_ne!(after.primary_kid(), before.primary_kid());
        assert_eq!(after.open_text(PLACE, &old).unwrap().expose_secret(), "hush");
        let new = after.seal(PLACE, b"hush").unwrap();
        assert!(matches!(
            before.open_text(PLACE, &new),
            Err(SealError::UnknownKey { .. })
        ));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn only_unused_keys_that_do_not_seal_are_dropped() {
        let (_dir, path, first) = keyring();
        let second = Keyring::rotate(&path).unwrap();
        let third = Keyring::rotate(&path).unwrap();
        let dropped = Keyring::drop_unused(&path, &[first.primary_kid()]).unwrap();
        assert_eq!(dropped, [second.primary_kid()]);
        assert_eq!(
            Keyring::open(&path).unwrap().kids(),
            [third.primary_kid(), first.primary_kid()]
        );
    }

    #[test]
    fn processes_that_start_at_once_share_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let kids: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Keyring::open_or_create(&path).unwrap().primary_kid().to_owned()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_dir, path, _) = keyring();
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = Keyring::open_or_create(&path);
            assert!(
                matches!(refused, Err(SealError::Exposed { mode: found, .. }) if found == mode),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_garbled_file_is_refused_without_showing_it() {
        let (_dir, path, _) = keyring();
        let short = "k1 c2VjcmV0\n";
        for text in ["", "# nothing\n", "k1\n", short, "k.1 AAAA\n", "k1 AAAA extra\n"] {
            std::fs::write(&path, text).unwrap();
            let error = Keyring::open_or_create(&path).unwrap_err();
            assert!(
                matches!(error, SealError::Malformed { .. }),
                "{text:?}: {error:?}"
            );
            assert!(!error.to_string().contains("c2VjcmV0"));
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let (_dir, path, keyring) = keyring();
        let text = std::fs::read_to_string(path).unwrap();
        let key = text.lines().find_map(|line| line.split_once(' ')).unwrap().1;
        assert!(!format!("{keyring:?}").contains(key));
    }
}
