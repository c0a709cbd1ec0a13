//! The text in an error body, whichever service's shape it has.

use serde_json::Value;

/// Longest message that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// What an error body says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// Neutron's exception class or Nova's and Cinder's kind; empty elsewhere.
    pub class: String,
    /// Text for people: one line, no markup, shortened.
    pub text: String,
    /// Is an HTML page.
    pub is_page: bool,
}

impl Said {
    /// Reads any of the shapes:
    /// Keystone `{"error": {"message"}}`, Nova and Cinder `{"<kind>": {"code", "message"}}`,
    /// Neutron `{"NeutronError": {"type", "message"}}`, Octavia `{"faultstring"}`, Glance `{"message"}` or HTML,
    /// and `{"errors": [{"detail"}]}` of the API working group.
    pub fn read(body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            let html = String::from_utf8_lossy(body);
            let is_page = html.trim_start().starts_with('<');
            return Self {
                class: String::new(),
                text: tidy(main_part(&html)),
                is_page,
            };
        };
        let (class, text) = parts(&json).unwrap_or_default();
        Self {
            class: class.to_owned(),
            text: tidy(text),
            is_page: false,
        }
    }
}

fn parts(json: &Value) -> Option<(&str, &str)> {
    for name in ["faultstring", "message"] {
        if let Some(text) = json.get(name).and_then(Value::as_str) {
            return Some(("", text));
        }
    }
    if let Some(first) = json.get("errors").and_then(|all| all.get(0)) {
        let text = first
            .get("detail")
            .or_else(|| first.get("title"))
            .and_then(Value::as_str)?;
        return Some(("", text));
    }
    let (kind, inner) = json.as_object()?.iter().next()?;
    if let Some(text) = inner.as_str() {
        return Some((kind, text));
    }
    let class = inner.get("type").and_then(Value::as_str).unwrap_or(kind);
    Some((class, inner.get("message").and_then(Value::as_str)?))
}

/// The body of an HTML page without its headline, which only repeats the status.
fn main_part(html: &str) -> &str {
    let body = html.find("<body").map_or(html, |start| &html[start..]);
    let rest = body.find("</h1>").map_or(body, |end| &body[end..]);
    if strip(rest).trim().is_empty() { body } else { rest }
}

fn tidy(text: &str) -> String {
    let plain = unescape(&strip(text));
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    shorten(hide(&line))
}

/// Schema violations are reported with the offending value, and again in the validator's own words. Of the
/// fields that carry secrets only the name is kept.
fn hide(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("Invalid input for field") else {
        return text;
    };
    let field = rest.split(". Value").next().unwrap_or(rest);
    let end = "Invalid input for field".len() + field.len();
    let secret = ["user_data", "password", "adminPass", "secret", "personality"];
    if secret.iter().any(|name| field.contains(name)) {
        &text[..end.min(64)]
    } else {
        text
    }
}

/// Cuts a text at [`MESSAGE_CHARS_MAX`].
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_CHARS_MAX - 1) {
        Some((end, _)) if text[end..].chars().nth(1).is_some() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// Takes out `<tag>`, `</tag>` and `<!-- -->`, but leaves a `<` that opens nothing.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let opens = tag[1..].starts_with(|next: char| next.is_ascii_alphabetic() || "/!".contains(next));
        match tag.find('>') {
            Some(end) if opens => {
                out.push(' ');
                rest = &tag[end + 1..];
            }
            _ => {
                out.push('<');
                rest = &tag[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> (String, String) {
        let Said { class, text, .. } = Said::read(body.as_bytes());
        (class, text)
    }

    #[test]
    fn each_service_s_own_shape_is_understood() {
        for (body, class, text) in [
            (
                r#"{"error":{"code":404,"message":"Could not find user: x.","title":"Not Found"}}"#,
                "error",
                "Could not find user: x.",
            ),
            (
                r#"{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}"#,
                "itemNotFound",
                "Instance x could not be found.",
            ),
            (
                r#"{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""}}"#,
                "OverQuota",
                "Quota exceeded for resources: ['port'].",
            ),
            (
                r#"{"faultcode": "Client", "faultstring": "Load Balancer x is immutable and cannot be updated.", "debuginfo": null}"#,
                "",
                "Load Balancer x is immutable and cannot be updated.",
            ),
            (
                r#"{"message": "No image found with ID x<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
                "",
                "No image found with ID x",
            ),
            (
                "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No image found with ID &lt;x&gt;<br /><br />\n\n\n </body>\n</html>",
                "",
                "No image found with ID <x>",
            ),
            (
                "<html><body><h1>503 Service Unavailable</h1></body></html>",
                "",
                "503 Service Unavailable",
            ),
            ("", "", ""),
        ] {
            assert_eq!(said(body), (class.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn rejected_user_data_and_passwords_are_not_repeated() {
        let body = r#"{"badRequest": {"code": 400, "message": "Invalid input for field/attribute user_data. Value: c2VjcmV0. 'c2VjcmV0' is too long"}}"#;
        assert_eq!(said(body).1, "Invalid input for field/attribute user_data");
        let body = r#"{"badRequest": {"code": 400, "message": "Invalid input for field/attribute name. Value: ä. 'ä' is too short"}}"#;
        assert!(said(body).1.ends_with("is too short"));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(1000);
        let cut = shorten(&long);
        assert_eq!(cut.chars().count(), MESSAGE_CHARS_MAX);
        assert!(cut.ends_with('…'));
        let fits = "ä".repeat(MESSAGE_CHARS_MAX);
        assert_eq!(shorten(&fits), fits);
    }
}
