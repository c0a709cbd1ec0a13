//! Policy files: YAML, and so JSON too. A file as a whole is good or not; a rule in it that cannot be understood
//! fails closed by itself.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use crate::parse::{Inner, Parsed, parse, parse_list};

/// A rule of a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Name.
    pub name: String,
    /// What it asks for.
    pub parsed: Parsed,
    /// Set to nothing at all, which grants it to everybody.
    pub is_null: bool,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", file.display(), line.map_or(String::new(), |line| format!(":{line}")))]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

/// Reads the text of a policy file. Rules that appear twice are all there, in order.
///
/// # Errors
/// What is not YAML, not a map from names to rules, or has a rule that is neither text nor list.
pub fn read(file: &Path, text: &str) -> Result<Vec<Override>, FileError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let read: Result<Option<Entries>, _> = serde_saphyr::from_str_with_options(text, options);
    let entries = read.map_err(|error| FileError {
        file: file.to_owned(),
        line: error.location().map(|place| place.line()),
        reason: error.without_snippet().to_string().replace('\n', "; "),
    })?;
    let entries = entries.map(|entries| entries.0).unwrap_or_default();
    entries
        .into_iter()
        .map(|(name, rule)| {
            let line = name.referenced.line();
            let parsed = match &rule {
                Rule::Null => parse(""),
                Rule::Text(text) => parse(text),
                Rule::List(list) => parse_list(list),
                Rule::Other => {
                    return Err(FileError {
                        file: file.to_owned(),
                        line: Some(line),
                        reason: format!("rule {} is neither text nor a list", name.value),
                    });
                }
            };
            Ok(Override {
                name: name.value,
                parsed,
                is_null: matches!(rule, Rule::Null),
                file: file.to_owned(),
                line,
            })
        })
        .collect()
}

struct Entries(Vec<(Spanned<String>, Rule)>);

enum Rule {
    Null,
    Text(String),
    List(Vec<Inner>),
    Other,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from names to rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key()? {
                    entries.push((name, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Entry)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> Visitor<'de> for Value {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule: text or a list")
            }

            fn visit_unit<E>(self) -> Result<Rule, E> {
                Ok(Rule::Null)
            }

            fn visit_none<E>(self) -> Result<Rule, E> {
                Ok(Rule::Null)
            }

            fn visit_str<E>(self, text: &str) -> Result<Rule, E> {
                Ok(Rule::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Rule, E> {
                Ok(Rule::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Rule, E> {
                Ok(Rule::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Rule, E> {
                Ok(Rule::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Rule, E> {
                Ok(Rule::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rule, A::Error> {
                let mut inner = Vec::new();
                while let Some(element) = list.next_element::<Rule>()? {
                    inner.push(match element {
                        Rule::Null => Inner::All(Vec::new()),
                        Rule::Text(text) => Inner::One(text),
                        Rule::List(all) => Inner::All(texts(all).map_err(A::Error::custom)?),
                        Rule::Other => {
                            return Err(A::Error::custom("a list of checks has something else in it"));
                        }
                    });
                }
                Ok(Rule::List(inner))
            }
        }
        deserializer.deserialize_any(Value)
    }
}

fn texts(all: Vec<Inner>) -> Result<Vec<String>, &'static str> {
    let text = |inner| match inner {
        Inner::One(text) => Ok(text),
        Inner::All(_) => Err("lists of checks are nested too deeply"),
    };
    all.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<Vec<(String, String, u64)>, String> {
        let read = read(Path::new("policy.yaml"), text).map_err(|error| error.to_string())?;
        let shown = |own: Override| (own.name, own.parsed.check.to_string(), own.line);
        Ok(read.into_iter().map(shown).collect())
    }

    #[test]
    fn yaml_and_json_are_read_with_the_lines_of_the_rules() {
        let entry = |name: &str, check: &str, line| (name.to_owned(), check.to_owned(), line);
        assert_eq!(
            rules("# mine\n\"cluster:get\": \"role:x\"\n\na: [[role:b, c:1], 'd:2']\nb:\n").unwrap(),
            [
                entry("cluster:get", "role:x", 2),
                entry("a", "((role:b and c:1) or d:2)", 4),
                entry("b", "@", 5),
            ]
        );
        assert_eq!(
            rules("{\"a\": \"!\", \"a\": \"\"}").unwrap(),
            [entry("a", "!", 1), entry("a", "@", 1)]
        );
        for empty in ["", "# nothing\n", "{}", "---\n"] {
            assert_eq!(rules(empty).unwrap(), [], "{empty}");
        }
    }

    #[test]
    fn what_is_no_policy_file_is_told_with_its_line() {
        for (text, start) in [
            (
                "a: 'role:b'\nb: true\n",
                "policy.yaml:2: rule b is neither text nor a list",
            ),
            ("a: 'role:b\n", "policy.yaml:"),
            ("- a\n- b\n", "policy.yaml:1: "),
            ("just text", "policy.yaml:1: "),
            ("a: {b: c}\n", "policy.yaml:1: "),
            ("a: [[[b:1]]]\n", "policy.yaml:1: "),
        ] {
            let error = rules(text).unwrap_err();
            assert!(error.starts_with(start), "{text}: {error}");
        }
    }
}
