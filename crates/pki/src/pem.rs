//! PEM (RFC 7468), read leniently and written strictly.
//!
//! Reading accepts any line length, CRLF, and text around the block, as OpenSSL and Python's `cryptography` do;
//! clients send all of these.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_cert::der::pem::{LineEnding, encode_string};
use zeroize::Zeroizing;

use crate::Error;

/// The contents of the first block that bears one of `labels`, or the reason why there is none.
pub(crate) fn decode(text: &str, labels: &[&str]) -> Result<Zeroizing<Vec<u8>>, String> {
    let (label, start) = labels
        .iter()
        .filter_map(|label| {
            text.find(&format!("-----BEGIN {label}-----"))
                .map(|at| (*label, at))
        })
        .min_by_key(|(_, at)| *at)
        .ok_or_else(|| format!("no PEM block named {}", labels.join(" or ")))?;
    let body = &text[start + "-----BEGIN -----".len() + label.len()..];
    let end = body
        .find(&format!("-----END {label}-----"))
        .ok_or("the PEM block has no end")?;
    let packed: Zeroizing<Vec<u8>> = Zeroizing::new(
        body[..end]
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect(),
    );
    STANDARD
        .decode(packed.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| "the PEM block is not base64".to_owned())
}

/// A PEM block in lines of 64 characters, without a newline at its end.
pub(crate) fn encode(label: &str, der: &[u8]) -> Result<String, Error> {
    let mut text =
        encode_string(label, LineEnding::LF, der).map_err(|error| Error::Encoding(error.to_string()))?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_whatever_surrounds_or_wraps_it() {
        let written = encode("CERTIFICATE", &[7; 100]).unwrap();
        assert!(!written.ends_with('\n'));
        let one_line = written
            .replace('\n', "")
            .replace("CERTIFICATE-----", "CERTIFICATE-----\n");
        let one_line = one_line.replace("-----END", "\n-----END");
        for text in [
            written.clone(),
            written.replace('\n', "\r\n"),
            format!("subject=x\n{written}\n\nmore"),
            one_line,
        ] {
            assert_eq!(
                decode(&text, &["CERTIFICATE"]).unwrap().as_slice(),
                [7; 100],
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_open_or_garbled_block_is_an_error() {
        for (text, reason) in [
            ("", "no PEM block"),
            ("-----BEGIN X-----\nAAAA", "no end"),
            ("-----BEGIN X-----\n!!!!\n-----END X-----", "not base64"),
            (
                "-----BEGIN Y-----\nAAAA\n-----END Y-----",
                "no PEM block named X or Z",
            ),
        ] {
            assert!(decode(text, &["X", "Z"]).unwrap_err().contains(reason), "{text}");
        }
    }
}
