//! Evaluation: pure, in one pass from left to right. A check that only a server can answer stops it; who drives
//! it asks, and evaluates again with the answer.

use std::borrow::Cow;

use serde_json::Value;

use crate::attributes::{Attribute, Attributes};
use crate::check::Check;
use crate::format::Template;
use crate::literal::{Left, Meaning};
use crate::python;
use crate::rules::Rules;

/// Checks and rules in rules; a rule that refers to itself ends here.
const MAX_DEPTH: usize = 500;

/// Why an evaluation has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The target lacks an attribute: the check does not hold.
    MissingKey,
    /// The rule cannot be evaluated: nothing is granted, whatever `not` stands around it.
    Fault(Cow<'static, str>),
    /// A server at this address must be asked.
    Ask(String),
}

impl Stop {
    pub(crate) fn fault(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Fault(reason.into())
    }
}

/// What a rule is evaluated with.
pub(crate) struct Evaluation<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) target: &'a dyn Attributes,
    pub(crate) credentials: &'a dyn Attributes,
    /// Addresses that were asked, and what they said.
    pub(crate) answers: &'a [(String, bool)],
}

impl Evaluation<'_> {
    pub(crate) fn holds(&self, check: &Check, depth: usize) -> Result<bool, Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::fault("rules refer to each other in a circle"));
        }
        match check {
            Check::Always => Ok(true),
            Check::Never => Ok(false),
            Check::Not(inner) => Ok(!self.holds(inner, depth + 1)?),
            Check::And(all) => {
                for check in all {
                    if !self.holds(check, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Check::Or(any) => {
                for check in any {
                    if self.holds(check, depth + 1)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Check::Rule(name) => match self.rules.find(name) {
                None => Ok(false),
                Some(check) => match self.holds(check, depth + 1) {
                    Err(Stop::MissingKey) => Ok(false),
                    other => other,
                },
            },
            Check::Role(role) => self.has_role(role),
            Check::Remote(address) => {
                let address = address.fill(self.target)?;
                match self.answers.iter().find(|(asked, _)| *asked == address) {
                    Some((_, answer)) => Ok(*answer),
                    None => Err(Stop::Ask(address.into_owned())),
                }
            }
            Check::Generic(left, right) => self.matches(left, right),
        }
    }

    fn has_role(&self, role: &Template) -> Result<bool, Stop> {
        let role = match role.fill(self.target) {
            Err(Stop::MissingKey) => return Ok(false),
            other => other?,
        };
        let is_same = |known: &str| {
            if known.is_ascii() && role.is_ascii() {
                known.eq_ignore_ascii_case(&role)
            } else {
                known.to_lowercase() == role.to_lowercase()
            }
        };
        match self.credentials.find("roles").map(Attribute::simple) {
            None => Ok(false),
            Some(Attribute::Texts(roles)) => Ok(roles.iter().any(|known| is_same(known))),
            Some(Attribute::Json(Value::Array(roles))) => {
                // All are looked at before any is compared.
                let names: Option<Vec<&str>> = roles.iter().map(Value::as_str).collect();
                let names = names.ok_or_else(|| Stop::fault("a role that is not a text"))?;
                Ok(names.into_iter().any(is_same))
            }
            Some(Attribute::Json(Value::Object(roles))) => Ok(roles.keys().any(|known| is_same(known))),
            Some(Attribute::Text(letters)) => Ok(letters
                .chars()
                .any(|letter| is_same(letter.encode_utf8(&mut [0; 4])))),
            Some(_) => Err(Stop::fault("roles that are not a list")),
        }
    }

    fn matches(&self, left: &Left, right: &Template) -> Result<bool, Stop> {
        let wanted = match right.fill(self.target) {
            Err(Stop::MissingKey) => return Ok(false),
            other => other?,
        };
        let path = match &left.meaning {
            Meaning::Literal(text) => return Ok(*text == wanted),
            Meaning::Broken => {
                return Err(Stop::fault(format!(
                    "`{left}:` is neither a literal nor an attribute"
                )));
            }
            Meaning::Path(path) => path,
        };
        let Some((first, rest)) = path.split_first() else {
            return Ok(false);
        };
        match self.credential(first) {
            None => Ok(false),
            Some(Attribute::Json(value @ (Value::Array(_) | Value::Object(_)))) => {
                follow(value, rest, &wanted)
            }
            Some(Attribute::Texts(texts)) if rest.is_empty() => Ok(texts.iter().any(|text| *text == wanted)),
            Some(Attribute::Texts([])) => Ok(false),
            Some(scalar) if rest.is_empty() => Ok(scalar.text() == wanted),
            Some(_) => Err(not_a_map(left)),
        }
    }

    /// A credential; `system` is another name of `system_scope`.
    fn credential(&self, name: &str) -> Option<Attribute<'_>> {
        if name == "system"
            && let Some(scope) = self.credentials.find("system_scope")
            && scope.is_truthy()
        {
            return Some(scope.simple());
        }
        self.credentials.find(name).map(Attribute::simple)
    }
}

fn not_a_map(path: impl std::fmt::Display) -> Stop {
    Stop::fault(format!("`{path}` leads through something that has no attributes"))
}

/// Follows a path from a value that was found; of a list, any element will do.
fn follow(value: &Value, rest: &[String], wanted: &str) -> Result<bool, Stop> {
    if let Value::Array(all) = value {
        for element in all {
            if follow_element(element, rest, wanted)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    follow_element(value, rest, wanted)
}

fn follow_element(value: &Value, rest: &[String], wanted: &str) -> Result<bool, Stop> {
    let Some((name, rest)) = rest.split_first() else {
        return Ok(python::str_of(value) == wanted);
    };
    match value {
        Value::Object(members) => match members.get(name) {
            Some(member) => follow(member, rest, wanted),
            None => Ok(false),
        },
        _ => Err(not_a_map(name)),
    }
}
