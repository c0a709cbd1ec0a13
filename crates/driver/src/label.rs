//! Labels that a driver knows: what values they take, what holds without them, and what they mean.

use std::fmt;
use std::net::Ipv4Addr;

use jeroboam_types::Labels;
use jeroboam_types::labels::loose_bool;

use crate::Invalid;

/// Longest value of a label that is a text, in bytes.
const LONGEST_TEXT: usize = 255;

/// A label that a driver knows.
#[derive(Clone, Copy, Debug)]
pub struct LabelSpec {
    /// Its key.
    pub name: &'static str,
    /// What values it takes.
    pub kind: LabelKind,
    /// What holds without it.
    pub default: LabelDefault,
    /// Where it counts.
    pub reach: LabelReach,
    /// What it does, for tenants: one sentence without a full stop.
    pub description: &'static str,
}

/// Values that a label takes. Blanks around a value do not count.
#[derive(Clone, Copy, Debug)]
pub enum LabelKind {
    /// Magnum's loose booleans, see [`loose_bool`].
    Bool,
    /// A whole number.
    Integer {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
        /// Such as `GiB`; empty for a plain number.
        unit: &'static str,
    },
    /// An IPv4 network such as `10.0.0.0/24`, without host bits.
    Cidr,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// At most 255 bytes without control characters.
    Text,
    /// A text of a form of its own.
    Pattern {
        /// The form in words, such as `a version such as v1.33.2`.
        form: &'static str,
        /// True for texts of the form.
        fits: fn(&str) -> bool,
    },
    /// Values with commas between them; empty for none.
    List(&'static LabelKind),
}

/// What holds without a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelDefault {
    /// Nothing.
    None,
    /// A value.
    Value(&'static str),
    /// The value of a field of the cluster or template.
    Field(&'static str),
    /// The value of an operator's option.
    Option {
        /// Section.
        section: &'static str,
        /// Name.
        name: &'static str,
    },
}

impl LabelDefault {
    /// The value, unless it comes from elsewhere.
    pub fn value(self) -> Option<&'static str> {
        match self {
            Self::Value(value) => Some(value),
            Self::None | Self::Field(_) | Self::Option { .. } => None,
        }
    }

    /// Where the value comes from, as `field` or `[section] option`.
    pub fn source(self) -> Option<String> {
        match self {
            Self::None | Self::Value(_) => None,
            Self::Field(name) => Some(name.to_owned()),
            Self::Option { section, name } => Some(format!("[{section}] {name}")),
        }
    }
}

/// Where a label counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelReach {
    /// In the cluster (or its template) alone.
    Cluster,
    /// In each node group, and in the cluster for groups that do not have it.
    NodeGroup,
}

impl LabelSpec {
    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong with it; the field is `labels.<name>`.
    pub fn check(&self, value: &str) -> Result<(), Invalid> {
        if self.kind.takes(value.trim()) {
            return Ok(());
        }
        let shown: String = value.chars().take(LONGEST_TEXT).collect();
        Err(Invalid::new(
            format!("labels.{}", self.name),
            format!("{shown:?} is not {}", self.kind),
        ))
    }
}

/// Checks the values of the labels that are known, and gives the names of those that are not.
///
/// # Errors
/// The first wrong value.
pub fn check<'l>(known: &[LabelSpec], labels: &'l Labels) -> Result<Vec<&'l str>, Invalid> {
    let mut unknown = Vec::new();
    for (name, value) in &labels.0 {
        match known.iter().find(|spec| spec.name == name) {
            Some(spec) => spec.check(value)?,
            None => unknown.push(name.as_str()),
        }
    }
    Ok(unknown)
}

/// The labels as a table in Markdown, for the pages that tenants read.
pub fn table(specs: &[LabelSpec]) -> String {
    let mut table = String::from("| label | value | default | meaning |\n|---|---|---|---|\n");
    for spec in specs {
        let default = match (spec.default.value(), spec.default.source()) {
            (Some(text), _) => format!("`{text}`"),
            (None, Some(source)) => format!("`{source}`"),
            (None, None) => "none".to_owned(),
        };
        let reach = match spec.reach {
            LabelReach::Cluster => "",
            LabelReach::NodeGroup => " (also of a node group)",
        };
        let (name, kind, meaning) = (spec.name, spec.kind, spec.description);
        table.push_str(&format!("| `{name}` | {kind} | {default} | {meaning}{reach} |\n"));
    }
    table
}

impl LabelKind {
    fn takes(&self, value: &str) -> bool {
        match self {
            Self::Bool => loose_bool(value).is_some(),
            Self::Integer { min, max, .. } => value
                .parse()
                .is_ok_and(|number: i64| (*min..=*max).contains(&number)),
            Self::Cidr => is_network(value),
            Self::Choice(words) => words.contains(&value),
            Self::Text => value.len() <= LONGEST_TEXT && !value.chars().any(char::is_control),
            Self::Pattern { fits, .. } => fits(value),
            Self::List(of) => value
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .all(|item| of.takes(item)),
        }
    }
}

/// The kind in words that fit after "is not".
impl fmt::Display for LabelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Integer { min, max, unit } => {
                f.write_str("a whole number")?;
                if !unit.is_empty() {
                    write!(f, " of {unit}")?;
                }
                match (*min, *max) {
                    (i64::MIN, i64::MAX) => Ok(()),
                    (min, i64::MAX) => write!(f, ", {min} or more"),
                    (i64::MIN, max) => write!(f, ", {max} or less"),
                    (min, max) => write!(f, " from {min} to {max}"),
                }
            }
            Self::Cidr => f.write_str("an IPv4 network such as 10.0.0.0/24"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Text => write!(
                f,
                "a text of at most {LONGEST_TEXT} bytes without control characters"
            ),
            Self::Pattern { form, .. } => f.write_str(form),
            Self::List(of) => write!(f, "{of}, or several with commas between them"),
        }
    }
}

fn is_network(text: &str) -> bool {
    let Some((address, prefix_len)) = text.split_once('/') else {
        return false;
    };
    match (address.parse::<Ipv4Addr>(), prefix_len.parse::<u32>()) {
        (Ok(address), Ok(prefix_len @ 0..=32)) => {
            u32::from(address) & u32::MAX.checked_shr(prefix_len).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(kind: LabelKind, good: &[&str], bad: &[&str]) {
        let spec = LabelSpec {
            name: "x",
            kind,
            default: LabelDefault::None,
            reach: LabelReach::Cluster,
            description: "",
        };
        for value in good {
            assert_eq!(spec.check(value), Ok(()), "{value:?} of {kind}");
        }
        for value in bad {
            let invalid = spec.check(value).expect_err(value);
            assert_eq!(invalid.field, "labels.x");
            assert!(invalid.reason.ends_with(&format!(" is not {kind}")), "{invalid}");
        }
    }

    #[test]
    fn a_kind_takes_its_own_values_and_no_others() {
        takes(LabelKind::Bool, &["true", " No ", "1"], &["", "maybe", "2"]);
        let size = LabelKind::Integer {
            min: 0,
            max: 100,
            unit: "GiB",
        };
        takes(size, &["0", "100", " 7 "], &["", "-1", "101", "1.5", "ten"]);
        takes(
            LabelKind::Cidr,
            &["10.0.0.0/24", "0.0.0.0/0", "10.1.2.3/32"],
            &[
                "10.0.0.1/24",
                "10.0.0.0",
                "10.0.0.0/33",
                "::/0",
                "",
                "10.0.0.0/-1",
            ],
        );
        takes(LabelKind::Choice(&["a", "b"]), &["a", "b "], &["c", "", "A"]);
        let long = "x".repeat(256);
        takes(LabelKind::Text, &["", "a b", &long[..255]], &["a\nb", &long]);
        takes(
            LabelKind::List(&LabelKind::Cidr),
            &["", "10.0.0.0/8", "10.0.0.0/8, 192.168.0.0/16,"],
            &["10.0.0.0/8,x"],
        );
        let version = LabelKind::Pattern {
            form: "a version",
            fits: |text| text.starts_with('v'),
        };
        takes(version, &["v1"], &["1"]);
    }

    #[test]
    fn unknown_labels_are_named_and_wrong_values_of_known_ones_refused() {
        const KNOWN: &[LabelSpec] = &[LabelSpec {
            name: "flag",
            kind: LabelKind::Bool,
            default: LabelDefault::Value("false"),
            reach: LabelReach::NodeGroup,
            description: "a flag",
        }];
        let labels = Labels::from_iter([("flag", "yes"), ("other", "1")]);
        assert_eq!(check(KNOWN, &labels), Ok(vec!["other"]));
        let labels = Labels::from_iter([("flag", "perhaps"), ("other", "1")]);
        let invalid = check(KNOWN, &labels).expect_err("a wrong value");
        assert_eq!(
            invalid.to_string(),
            "labels.flag: \"perhaps\" is not true or false"
        );
    }
}
