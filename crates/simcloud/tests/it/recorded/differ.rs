//! What one answer has otherwise than another.

use std::fmt;

use serde_json::Value;

use super::play::Seen;

/// One difference.
pub struct Difference {
    pub step: String,
    /// `status`, `header <name>`, or where in the body, with `*` for the items of a list: `/ports/*/name`.
    pub at: String,
    /// `missing` or `extra` for a member, `length` of a list, `type`, or `value`.
    pub what: &'static str,
    real: String,
    ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            at,
            what,
            real,
            ours,
        } = self;
        write!(formatter, "{step}: {at} {what}\n    real {real}\n    ours {ours}")
    }
}

/// All differences between the recorded and the simulator's answer.
pub fn differences(real: &Seen, ours: &Seen) -> Vec<Difference> {
    let mut found = Found {
        step: &real.name,
        all: Vec::new(),
    };
    if real.status != ours.status {
        found.add("status", "value", &real.status.into(), &ours.status.into());
    }
    let mut names: Vec<_> = real.headers.keys().chain(ours.headers.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (was, is) = (real.headers.get(name), ours.headers.get(name));
        if was != is {
            let what = if is.is_none() {
                "missing"
            } else if was.is_none() {
                "extra"
            } else {
                "value"
            };
            let value = |header: Option<&Value>| header.cloned().unwrap_or_default();
            found.add(&format!("header {name}"), what, &value(was), &value(is));
        }
    }
    found.body("", &real.body, &ours.body);
    found.all
}

struct Found<'a> {
    step: &'a str,
    all: Vec<Difference>,
}

impl Found<'_> {
    fn add(&mut self, at: &str, what: &'static str, real: &Value, ours: &Value) {
        self.all.push(Difference {
            step: self.step.to_owned(),
            at: at.to_owned(),
            what,
            real: real.to_string(),
            ours: ours.to_string(),
        });
    }

    fn body(&mut self, at: &str, real: &Value, ours: &Value) {
        match (real, ours) {
            (Value::Object(was), Value::Object(is)) => {
                for (name, value) in was {
                    let at = format!("{at}/{name}");
                    match is.get(name) {
                        Some(other) => self.body(&at, value, other),
                        None => self.add(&at, "missing", value, &Value::Null),
                    }
                }
                for (name, value) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
                    self.add(&format!("{at}/{name}"), "extra", &Value::Null, value);
                }
            }
            (Value::Array(was), Value::Array(is)) => {
                if was.len() != is.len() {
                    self.add(at, "length", real, ours);
                }
                let at = format!("{at}/*");
                for (value, other) in sorted(was).into_iter().zip(sorted(is)) {
                    self.body(&at, value, other);
                }
            }
            _ if std::mem::discriminant(real) != std::mem::discriminant(ours) => {
                self.add(at, "type", real, ours);
            }
            _ if real != ours => self.add(at, "value", real, ours),
            _ => {}
        }
    }
}

/// Services give most lists in no order.
fn sorted(items: &[Value]) -> Vec<&Value> {
    let mut items: Vec<_> = items.iter().collect();
    items.sort_by_cached_key(|item| {
        let first = ["name", "type", "rel", "direction"].map(|key| item.get(key).map(ToString::to_string));
        (first, item.to_string())
    });
    items
}
