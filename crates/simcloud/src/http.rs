//! From an HTTP request to its parts and from a reply to an HTTP response.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::call::Reply;

/// Decodes `%xx`; `+` stays itself unless it is asked to mean a space, as in queries.
pub(crate) fn percent_decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' && plus_is_space {
                    b' '
                } else {
                    *byte
                });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Path segments without empty ones, decoded.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode(segment, false))
        .collect()
}

/// Query parameters in order, decoded; a name without `=` has an empty value.
pub(crate) fn query(text: Option<&str>) -> Vec<(String, String)> {
    let pairs = text
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), percent_decode(value, true))
        })
        .collect()
}

/// Renders a reply. Headers that are not valid HTTP are left out.
pub(crate) fn response(reply: Reply) -> Response<Full<Bytes>> {
    let body = match &reply.body {
        Some(body) => Bytes::from(body.to_string()),
        None => Bytes::new(),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if reply.body.is_some() {
        headers.insert(
            hyper::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            // One that tells the type takes the place of the usual one.
            if name == hyper::header::CONTENT_TYPE {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_broken_ones_left_alone() {
        assert_eq!(percent_decode("a%20b%2Fc+d%zz%4", false), "a b/c+d%zz%4");
        assert_eq!(
            segments("/v2.1//os-keypairs/my%20key/"),
            ["v2.1", "os-keypairs", "my key"]
        );
        let expected = [
            ("name".to_owned(), "a b".to_owned()),
            ("flag".to_owned(), String::new()),
        ];
        assert_eq!(query(Some("name=a+b&flag")), expected);
    }
}
