//! A token that whoever shows it is believed by: half of it finds its row, and of the other half only a digest is kept.

use std::fmt::Write as _;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of each half: too many to guess.
const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// A new token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Public half.
    pub id: String,
    /// SHA-256 of the secret half, in hexadecimal.
    pub digest: String,
    /// Both halves, for the bearer: `<id>.<secret>`.
    pub text: SecretString,
}

impl Token {
    /// Draws a token.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn draw() -> Result<Self, Error> {
        let mut id = [0; ID_BYTES];
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        let failed = |_| Error::Crypto("drawing a token");
        rand::fill(&mut id).map_err(failed)?;
        rand::fill(secret.as_mut_slice()).map_err(failed)?;
        let (id, secret) = (hex(&id), Zeroizing::new(hex(secret.as_slice())));
        Ok(Self {
            digest: digest_of(&secret),
            text: SecretString::from(format!("{id}.{}", *secret)),
            id,
        })
    }

    /// Public and secret half of a text; `None` for what cannot be a token.
    pub fn halves(text: &str) -> Option<(&str, &str)> {
        let (id, secret) = text.split_once('.')?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fits = id.len() == 2 * ID_BYTES && secret.len() == 2 * SECRET_BYTES;
        (fits && is_hex(id) && is_hex(secret)).then_some((id, secret))
    }

    /// True when the secret half is the one of the digest. Takes as long whatever differs.
    pub fn is_of(secret: &str, digest: &str) -> bool {
        verify_slices_are_equal(digest_of(secret).as_bytes(), digest.as_bytes()).is_ok()
    }
}

fn digest_of(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_alone() {
        let (token, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        let (id, secret) = Token::halves(token.text.expose_secret()).unwrap();
        assert_eq!(id, token.id);
        assert!(Token::is_of(secret, &token.digest));
        assert!(!Token::is_of(secret, &other.digest));
        assert!(!token.digest.contains(secret));
        assert!(!format!("{token:?}").contains(secret));
    }

    #[test]
    fn what_cannot_be_a_token_is_told_before_anything_is_looked_for() {
        let token = Token::draw().unwrap();
        let text = token.text.expose_secret();
        for wrong in [
            "",
            ".",
            "a.b",
            &text[1..],
            &format!("{text}0"),
            &text.replace('.', "-"),
            &"é".repeat(48),
        ] {
            assert_eq!(Token::halves(wrong), None, "{wrong}");
        }
    }
}
