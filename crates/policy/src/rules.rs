//! A complete set of rules: what the service registers, with what operators write over it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use crate::attributes::Attributes;
use crate::check::Check;
use crate::evaluate::{Evaluation, Stop};
use crate::file::Override;
use crate::parse::parse;
use crate::remote::{Question, Remote};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// A project.
    Project,
    /// A domain.
    Domain,
    /// The whole system.
    System,
}

impl TokenScope {
    /// As operators write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Domain => "domain",
            Self::System => "system",
        }
    }

    /// The scope that credentials tell.
    pub fn of(credentials: &dyn Attributes) -> Self {
        let has = |name: &str| credentials.find(name).is_some_and(|value| value.is_truthy());
        if has("system_scope") || has("system") {
            Self::System
        } else if has("domain_id") {
            Self::Domain
        } else {
            Self::Project
        }
    }
}

/// An earlier default, which goes on to grant until `enforce_new_defaults`.
#[derive(Clone, Copy, Debug)]
pub struct Deprecated<'a> {
    /// Name of the earlier rule.
    pub name: &'a str,
    /// Its default.
    pub check: &'a str,
    /// Why it is no more.
    pub reason: &'a str,
    /// When that was decided.
    pub since: &'a str,
}

/// A rule that the service knows, with its default.
#[derive(Clone, Copy, Debug)]
pub struct Registered<'a> {
    /// Name, as operators write it.
    pub name: &'a str,
    /// The default.
    pub check: &'a str,
    /// What it is for, in a sentence.
    pub description: &'a str,
    /// Methods and paths that it guards; none for rules that only others refer to.
    pub operations: &'a [(&'a str, &'a str)],
    /// Scopes of tokens that it can be granted to; none for all.
    pub scopes: &'a [TokenScope],
    /// An earlier default.
    pub deprecated: Option<Deprecated<'a>>,
    /// Not a rule of Magnum's.
    pub own: bool,
}

/// How rules are put together and enforced: options of `[oslo_policy]`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tokens of the wrong scope are refused.
    pub enforce_scope: bool,
    /// Earlier defaults grant nothing.
    pub enforce_new_defaults: bool,
    /// The rule in place of one that is not defined.
    pub default_rule: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enforce_scope: true,
            enforce_new_defaults: true,
            default_rule: "default".to_owned(),
        }
    }
}

/// Why something is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The rule says so.
    #[error("the rule does not hold")]
    Denied,
    /// The token is good for something else.
    #[error("a token of scope {} was used", .0.as_str())]
    Scope(TokenScope),
    /// The rule cannot be evaluated.
    #[error("the rule cannot be evaluated: {0}")]
    Fault(String),
}

/// What one evaluation gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Granted.
    Granted,
    /// A server at this address has to be asked first.
    Ask(String),
}

/// All rules by name.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    checks: HashMap<String, Check>,
    scopes: HashMap<String, Vec<TokenScope>>,
    default_rule: String,
    enforce_scope: bool,
}

impl Rules {
    /// Puts defaults and overrides together; of overrides with the same name the last one counts.
    pub fn assemble(registered: &[Registered<'_>], overrides: &[Override], options: &Options) -> Self {
        let overridden: BTreeMap<&str, &Check> = overrides
            .iter()
            .map(|own| (own.name.as_str(), &own.parsed.check))
            .collect();
        let mut checks: HashMap<String, Check> = overridden
            .iter()
            .map(|(name, check)| ((*name).to_owned(), (*check).clone()))
            .collect();
        let mut scopes = HashMap::new();
        for rule in registered {
            if !overridden.contains_key(rule.name) {
                checks.insert(rule.name.to_owned(), default_of(rule, &overridden, options));
            }
            if !rule.scopes.is_empty() {
                scopes.insert(rule.name.to_owned(), rule.scopes.to_vec());
            }
        }
        Self {
            checks,
            scopes,
            default_rule: options.default_rule.clone(),
            enforce_scope: options.enforce_scope,
        }
    }

    /// What a rule asks for; of one that is not defined what the default rule does.
    pub fn find(&self, name: &str) -> Option<&Check> {
        self.checks
            .get(name)
            .or_else(|| self.checks.get(&self.default_rule))
    }

    /// Names and checks, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Check)> {
        let sorted: BTreeMap<&str, &Check> = self
            .checks
            .iter()
            .map(|(name, check)| (name.as_str(), check))
            .collect();
        sorted.into_iter()
    }

    /// Names of the target's attributes that a rule looks at, itself or through others.
    pub fn target_keys(&self, name: &str) -> HashSet<&str> {
        let mut keys = HashSet::new();
        let mut seen = HashSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            if let Some(check) = self.find(name)
                && seen.insert(name)
            {
                keys.extend(check.target_keys());
                open.extend(check.references());
            }
        }
        keys
    }

    /// Names of rules that refer to rules that are not defined, with what they refer to.
    pub fn undefined(&self) -> Vec<(&str, &str)> {
        let mut undefined: Vec<(&str, &str)> = self
            .checks
            .iter()
            .flat_map(|(name, check)| check.references().into_iter().map(|other| (name.as_str(), other)))
            .filter(|(_, other)| !self.checks.contains_key(*other))
            .collect();
        undefined.sort_unstable();
        undefined
    }

    /// Names of rules that lead back to themselves.
    pub fn cyclic(&self) -> Vec<&str> {
        let mut cyclic: Vec<&str> = self
            .checks
            .keys()
            .map(String::as_str)
            .filter(|name| self.leads_to(name, name))
            .collect();
        cyclic.sort_unstable();
        cyclic
    }

    fn leads_to(&self, from: &str, to: &str) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            for next in self.find(name).map(Check::references).unwrap_or_default() {
                if next == to {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    }

    /// Evaluates a rule with the answers of servers that are known so far.
    ///
    /// # Errors
    /// A refusal; a rule that does not exist is one.
    pub fn evaluate(
        &self,
        rule: &str,
        target: &dyn Attributes,
        credentials: &dyn Attributes,
        answers: &[(String, bool)],
    ) -> Result<Outcome, Refusal> {
        let check = self.find(rule).ok_or(Refusal::Denied)?;
        if self.enforce_scope
            && let Some(scopes) = self.scopes.get(rule)
        {
            let scope = TokenScope::of(credentials);
            if !scopes.contains(&scope) {
                return Err(Refusal::Scope(scope));
            }
        }
        let evaluation = Evaluation {
            rules: self,
            target,
            credentials,
            answers,
        };
        match evaluation.holds(check, 0) {
            Ok(true) => Ok(Outcome::Granted),
            Ok(false) => Err(Refusal::Denied),
            Err(Stop::Ask(address)) => Ok(Outcome::Ask(address)),
            Err(Stop::Fault(reason)) => Err(Refusal::Fault(reason.into_owned())),
            Err(Stop::MissingKey) => Err(Refusal::Fault(
                "the target lacks an attribute of an address".to_owned(),
            )),
        }
    }

    /// Grants a rule or refuses it, after asking the servers that it names.
    ///
    /// # Errors
    /// A refusal; a server that cannot be asked makes one too.
    pub async fn enforce(
        &self,
        rule: &str,
        target: &dyn Attributes,
        credentials: &dyn Attributes,
        remote: &impl Remote,
    ) -> Result<(), Refusal> {
        let mut answers = Vec::new();
        loop {
            match self.evaluate(rule, target, credentials, &answers)? {
                Outcome::Granted => return Ok(()),
                Outcome::Ask(address) => {
                    let question = Question {
                        address: &address,
                        rule,
                        target,
                        credentials,
                    };
                    let answer = remote.ask(&question).await.map_err(Refusal::Fault)?;
                    answers.push((address, answer));
                }
            }
        }
    }

    /// All rules as oslo.policy prints them.
    pub fn to_json(&self) -> Map<String, Value> {
        self.iter()
            .map(|(name, check)| (name.to_owned(), Value::from(check.to_string())))
            .collect()
    }
}

/// The default of a rule that nobody overrides.
fn default_of(rule: &Registered<'_>, overridden: &BTreeMap<&str, &Check>, options: &Options) -> Check {
    let check = parse(rule.check).check;
    let Some(old) = rule.deprecated else {
        return check;
    };
    let old_check = parse(old.check).check;
    // Who wrote over the rule's earlier name meant this rule, unless it just names the new one.
    if old.name != rule.name
        && let Some(own) = overridden.get(old.name)
        && **own != old_check
        && **own != Check::Rule(rule.name.to_owned())
    {
        return (*own).clone();
    }
    if !options.enforce_new_defaults && old.check != rule.check {
        return Check::Or(vec![check, old_check]);
    }
    check
}
