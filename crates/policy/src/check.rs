//! A rule as a tree of checks.

use std::fmt;

use crate::format::Template;
use crate::literal::Left;

/// What a rule asks for. Its `Display` is the text that oslo.policy prints for the same rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// `@`: always.
    Always,
    /// `!`: never.
    Never,
    /// `not ...`
    Not(Box<Check>),
    /// All of them.
    And(Vec<Check>),
    /// One of them.
    Or(Vec<Check>),
    /// `rule:NAME`: what another rule says.
    Rule(String),
    /// `role:NAME`: the token has this role; case does not matter.
    Role(Template),
    /// `http:` and `https:`: what a server says.
    Remote(Template),
    /// `LEFT:RIGHT`: an attribute of the credentials, or a literal, against text and attributes of the target.
    Generic(Left, Template),
}

impl Check {
    /// Levels of checks in checks.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Not(inner) => 1 + inner.depth(),
            Self::And(all) | Self::Or(all) => 1 + all.iter().map(Self::depth).max().unwrap_or(0),
            _ => 1,
        }
    }

    /// Calls `visit` with this check and all below it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Check)) {
        visit(self);
        match self {
            Self::Not(inner) => inner.walk(visit),
            Self::And(all) | Self::Or(all) => all.iter().for_each(|check| check.walk(visit)),
            _ => {}
        }
    }

    /// Names of the rules that it refers to directly.
    pub fn references(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.walk(&mut |check| {
            if let Self::Rule(name) = check {
                names.push(name.as_str());
            }
        });
        names
    }

    /// Names of the target's attributes that it looks at directly.
    pub fn target_keys(&self) -> Vec<&str> {
        let mut keys = Vec::new();
        self.walk(&mut |check| {
            if let Self::Role(template) | Self::Remote(template) | Self::Generic(_, template) = check {
                keys.extend(template.keys());
            }
        });
        keys
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, all: &[Check], word: &str| {
            f.write_str("(")?;
            for (index, check) in all.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                check.fmt(f)?;
            }
            f.write_str(")")
        };
        match self {
            Self::Always => f.write_str("@"),
            Self::Never => f.write_str("!"),
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::And(all) => joined(f, all, "and"),
            Self::Or(all) => joined(f, all, "or"),
            Self::Rule(name) => write!(f, "rule:{name}"),
            Self::Role(template) => write!(f, "role:{template}"),
            Self::Remote(template) => template.fmt(f),
            Self::Generic(left, template) => write!(f, "{left}:{template}"),
        }
    }
}
