//! Names of clusters and templates, and those made up when none is given.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A cluster's name: 1 to 242 characters, a letter first, then letters, digits, `_`, `.` and `-`
/// (Magnum's rule: the name ends up in host names and stack names).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

/// Why a text is not a cluster name.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// No characters.
    #[error("a name must not be empty")]
    Empty,
    /// More than 242 characters.
    #[error("a name must not be longer than 242 characters")]
    TooLong,
    /// Starts with something other than a letter.
    #[error("a name must start with a letter, not with {0:?}")]
    BadStart(char),
    /// Contains a character that is not allowed.
    #[error("a name may contain letters, digits, '_', '.' and '-', not {0:?}")]
    BadCharacter(char),
}

impl TryFrom<String> for ClusterName {
    type Error = NameError;

    fn try_from(raw: String) -> Result<Self, NameError> {
        let Some(first) = raw.chars().next() else {
            return Err(NameError::Empty);
        };
        if raw.len() > 242 {
            return Err(NameError::TooLong);
        }
        if !first.is_ascii_alphabetic() {
            return Err(NameError::BadStart(first));
        }
        match raw
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '-'))
        {
            Some(bad) => Err(NameError::BadCharacter(bad)),
            None => Ok(Self(raw)),
        }
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

impl ClusterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Start of the names of the cluster's cloud resources: at most 20 characters that every service and
    /// every host name accepts, without a `-` at the end.
    pub fn stem(&self) -> String {
        let stem: String = self
            .0
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .take(20)
            .collect();
        stem.trim_end_matches('-').to_owned()
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Greek letters of made-up names, as Magnum's.
const GREEK: [&str; 24] = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
];

/// `<greek letter>-<1..24>-<suffix>` out of a random number, as Magnum names what comes without a name.
pub fn made_up(random: u32, suffix: &str) -> String {
    format!(
        "{}-{}-{suffix}",
        GREEK[(random % 24) as usize],
        random / 24 % 24 + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_the_rule() {
        let name = |text: &str| ClusterName::try_from(text.to_owned());
        assert_eq!(name(""), Err(NameError::Empty));
        assert_eq!(name("1a"), Err(NameError::BadStart('1')));
        assert_eq!(name("a b"), Err(NameError::BadCharacter(' ')));
        assert_eq!(name(&"a".repeat(243)), Err(NameError::TooLong));
        assert!(name(&"a".repeat(242)).is_ok());
        assert_eq!(
            name("My_Cluster.of-containers-").map(|n| n.stem()),
            Ok("my-cluster-of-contai".to_owned())
        );
    }

    proptest! {
        #[test]
        fn a_stem_is_a_valid_host_label(raw in "[a-zA-Z][a-zA-Z0-9_.-]{0,60}") {
            let stem = ClusterName::try_from(raw).unwrap().stem();
            prop_assert!(!stem.is_empty() && stem.len() <= 20 && !stem.ends_with('-'));
            prop_assert!(stem.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        }

        #[test]
        fn made_up_names_are_valid(random in any::<u32>()) {
            prop_assert!(ClusterName::try_from(made_up(random, "cluster")).is_ok());
        }
    }
}
