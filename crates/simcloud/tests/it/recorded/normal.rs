//! Brings an answer into the form of a recording: what differs from run to run becomes a marker that tells its form.
//! The rules are those of `tests/recorded/record.py`.

use std::fmt::Write as _;

use serde_json::Value;

pub struct Normal<'a> {
    /// Names and values of the scenario's variables, oldest first.
    pub variables: &'a [(String, String)],
    /// Addresses that the scenario itself names.
    pub keep: &'a [String],
}

impl Normal<'_> {
    pub fn body(&self, value: &Value) -> Value {
        self.value(value, "")
    }

    fn value(&self, value: &Value, key: &str) -> Value {
        match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, item)| (self.text(name), self.value(item, name)))
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.value(item, key)).collect(),
            Value::String(_) if matches!(key, "secret" | "adminPass") => "<secret>".into(),
            Value::String(_) if key == "audit_ids" => "<random>".into(),
            Value::String(text) => self.text(text).into(),
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        if text.starts_with("http://") || text.starts_with("https://") {
            return "<url>".to_owned();
        }
        let mut text = text.to_owned();
        for (name, value) in self.variables {
            // A short value, such as a name that the cloud chose, counts only where it is the whole text.
            if !name.starts_with("admin_") && (text == *value || value.len() >= 8) {
                text = text.replace(value.as_str(), &format!("${{{name}}}"));
            }
        }
        text = replace(&text, false, time, |found| {
            found.replace(|digit: char| digit.is_ascii_digit(), "0")
        });
        text = replace(&text, false, uuid, |_| "<uuid>".to_owned());
        text = replace(&text, true, mac, |_| "<mac>".to_owned());
        text = replace(&text, true, hex, |found| format!("<hex{}>", found.len()));
        replace(&text, true, ipv4, |found| {
            if self.keep.iter().any(|kept| kept == found) {
                found.to_owned()
            } else {
                "<ip>".to_owned()
            }
        })
    }
}

/// Replaces all that `find` finds; it says how long the match at the start of a text is. With `whole` a match must
/// not touch further letters or digits.
fn replace(
    text: &str,
    whole: bool,
    find: fn(&str) -> Option<usize>,
    with: impl Fn(&str) -> String,
) -> String {
    let is_word = |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let (mut out, mut rest, mut before) = (String::new(), text, None);
    while let Some(first) = rest.chars().next() {
        let found = find(rest)
            .filter(|length| !whole || !is_word(before) && !is_word(rest[*length..].chars().next()));
        let length = found.unwrap_or(first.len_utf8());
        let (head, tail) = rest.split_at(length);
        let _ = match found {
            Some(_) => write!(out, "{}", with(head)),
            None => write!(out, "{head}"),
        };
        before = head.chars().last();
        rest = tail;
    }
    out
}

/// Length of the text at the start that has this form: `x` is a hexadecimal digit, `0` a decimal one.
fn form(text: &str, form: &str) -> Option<usize> {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    (text.len() >= form.len() && text.bytes().zip(form.bytes()).all(fits)).then_some(form.len())
}

fn uuid(text: &str) -> Option<usize> {
    form(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
}

fn mac(text: &str) -> Option<usize> {
    form(text, "xx:xx:xx:xx:xx:xx")
}

fn hex(text: &str) -> Option<usize> {
    let length = text.bytes().take_while(|byte| form_digit(*byte)).count();
    (length >= 32).then_some(length)
}

fn form_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn ipv4(text: &str) -> Option<usize> {
    let mut at = 0;
    for part in 0..4 {
        if part > 0 {
            at += usize::from(text[at..].starts_with('.'));
            if !text[..at].ends_with('.') {
                return None;
            }
        }
        let digits = text[at..].bytes().take(3).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        at += digits;
    }
    Some(at)
}

fn time(text: &str) -> Option<usize> {
    let length = form(text, "0000-00-00T00:00:00")?;
    let is_rest = |byte: &u8| byte.is_ascii_digit() || b".:+Z-".contains(byte);
    Some(length + text[length..].bytes().take_while(is_rest).count())
}

#[test]
fn what_changes_from_run_to_run_becomes_a_marker() {
    let variables = [
        ("run".to_owned(), "rec-00000000".to_owned()),
        ("image_name".to_owned(), "cirros".to_owned()),
    ];
    let normal = Normal {
        variables: &variables,
        keep: &["10.99.0.1".to_owned()],
    };
    for (given, expected) in [
        (
            "Network 00000000-0000-4000-8000-000000000000 is not",
            "Network <uuid> is not",
        ),
        ("rec-00000000-net", "${run}-net"),
        ("cirros", "${image_name}"),
        ("a cirros image", "a cirros image"),
        ("2026-11-22T16:50:00.123456Z", "0000-00-00T00:00:00.000000Z"),
        ("fa:16:3e:00:00:01", "<mac>"),
        ("f0:16:3e:00:00:01:f0:16:3e:00:00:01", "<mac>:<mac>"),
        ("0123456789abcdef0123456789abcdef", "<hex32>"),
        ("10.99.0.1 and 10.99.0.17/24", "10.99.0.1 and <ip>/24"),
        ("http://x/y", "<url>"),
    ] {
        assert_eq!(normal.text(given), expected);
    }
}
