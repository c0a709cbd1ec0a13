//! Labels against what the driver says of them: wrong values are refused; unknown labels are kept and reported,
//! since another release or another driver may know them.

use axum::http::HeaderValue;
use axum::http::header::WARNING;
use axum::response::Response;
use jeroboam_driver::{Driver, label};
use jeroboam_types::Labels;

use crate::error::{ApiError, ApiResult};

/// Most labels that one answer names.
const MOST_NAMED: usize = 10;

/// Longest part of a label's name that is shown, in characters.
const LONGEST_NAME: usize = 64;

/// Labels without effect, for the client and the log.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    driver: &'static str,
    names: Vec<String>,
}

/// Checks the values of the labels that the driver knows.
///
/// # Errors
/// 400 that names the label.
pub(crate) fn check(driver: &dyn Driver, labels: &Labels) -> ApiResult<Unknown> {
    let known = driver.labels();
    let unknown = label::check(known, labels)
        .map_err(|invalid| ApiError::invalid_field(&invalid.field, invalid.reason))?;
    // A driver that describes no label at all may still read some.
    let names = match known.is_empty() {
        true => Vec::new(),
        false => unknown.into_iter().map(str::to_owned).collect(),
    };
    Ok(Unknown {
        driver: driver.name(),
        names,
    })
}

impl Unknown {
    /// Tells the client, in headers `Warning`, and the log.
    pub(crate) fn report(&self, response: &mut Response, request_id: &str) {
        if self.names.is_empty() {
            return;
        }
        let driver = self.driver;
        tracing::info!(request_id, driver, labels = ?self.names, "labels without effect");
        for name in self.names.iter().take(MOST_NAMED) {
            let text = format!(
                "299 - \"The driver {driver} does not know the label {}\"",
                printable(name)
            );
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().append(WARNING, value);
            }
        }
    }
}

/// A name as part of a quoted text in a header.
fn printable(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_graphic() && !matches!(c, '"' | '\\') {
            c
        } else {
            '?'
        }
    };
    name.chars().take(LONGEST_NAME).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_fits_into_a_header() {
        let unknown = Unknown {
            driver: "swarm",
            names: vec![
                "a\r\nSet-Cookie: x".to_owned(),
                "\"q\"\\é".to_owned(),
                "x".repeat(300),
            ],
        };
        let mut response = Response::default();
        unknown.report(&mut response, "req-1");
        let values = response.headers().get_all(WARNING).iter();
        let values: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
        let expected = |name: &str| format!("299 - \"The driver swarm does not know the label {name}\"");
        assert_eq!(
            values,
            [
                expected("a??Set-Cookie:?x"),
                expected("?q???"),
                expected(&"x".repeat(64))
            ]
        );
    }
}
