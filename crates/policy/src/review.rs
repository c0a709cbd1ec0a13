//! What is odd about policy files: for the log at start and for `jeroboam policy check`.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::file::Override;
use crate::parse::parse;
use crate::rules::{Options, Registered, Rules};

/// Something that an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// File and line.
    pub place: String,
    /// A sentence.
    pub text: String,
    /// The rule does not do what its author meant.
    pub is_error: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_error { "error" } else { "note" };
        write!(f, "{}: {kind}: {}", self.place, self.text)
    }
}

/// Looks at overrides in the light of what is registered.
pub fn review(registered: &[Registered<'_>], overrides: &[Override], options: &Options) -> Vec<Finding> {
    let rules = Rules::assemble(registered, overrides, options);
    let defaults: HashMap<&str, &str> = registered.iter().map(|rule| (rule.name, rule.check)).collect();
    let referenced: HashSet<&str> = rules.iter().flat_map(|(_, check)| check.references()).collect();
    let cyclic: HashSet<&str> = rules.cyclic().into_iter().collect();
    let undefined = rules.undefined();
    let mut last: HashMap<&str, &Override> = HashMap::new();
    let mut findings = Vec::new();
    for own in overrides {
        let name = own.name.as_str();
        let mut tell = |is_error: bool, text: String| {
            let place = format!("{}:{}", own.file.display(), own.line);
            findings.push(Finding {
                place,
                text,
                is_error,
            });
        };
        for problem in &own.parsed.problems {
            tell(true, format!("{name}: {problem}"));
        }
        if own.is_null {
            tell(
                true,
                format!(
                    "{name} is set to nothing, which grants it to everybody; write \"@\" if that is meant"
                ),
            );
        }
        if let Some(earlier) = last.insert(name, own)
            && earlier.file == own.file
        {
            tell(
                true,
                format!("{name} stands in line {} too; the later one counts", earlier.line),
            );
        }
        if !defaults.contains_key(name) && !referenced.contains(name) && name != options.default_rule {
            tell(
                true,
                format!("{name} is not a rule of the service, and no rule refers to it"),
            );
        }
        for (_, other) in undefined.iter().filter(|(from, _)| *from == name) {
            tell(
                true,
                format!("{name} refers to rule {other}, which is not defined"),
            );
        }
        if cyclic.contains(name) {
            tell(
                true,
                format!("{name} refers to itself through other rules, so it fails"),
            );
        }
        if let Some(default) = defaults.get(name)
            && parse(default).check.to_string() == own.parsed.check.to_string()
        {
            tell(
                false,
                format!("{name} is the same as its default and can be removed"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{file, magnum};

    #[test]
    fn an_operator_learns_what_is_odd_and_where() {
        let text = "\"cluster:get\": \"role:a or oops\"\n\"cluster:gett\": \"role:b\"\nmine: \"rule:missing\"\n\
                    \"cluster:create\": \"rule:mine\"\n\"cluster:delete\": \"rule:cluster:delete\"\nis_user: \
                    \"user_id:%(user_id)s\"\n\"stats:get_all\":\nmine: \"role:c\"\n";
        let overrides = file::read(Path::new("p"), text).unwrap();
        let findings = review(magnum::RULES, &overrides, &Options::default());
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "p:1: error: cluster:get: `oops` is not a check (it has no colon), so it never holds",
                "p:2: error: cluster:gett is not a rule of the service, and no rule refers to it",
                "p:5: error: cluster:delete refers to itself through other rules, so it fails",
                "p:6: note: is_user is the same as its default and can be removed",
                "p:7: error: stats:get_all is set to nothing, which grants it to everybody; write \"@\" if that is meant",
                "p:8: error: mine stands in line 3 too; the later one counts",
            ]
        );
        let undefined = file::read(Path::new("p"), "\"cluster:get\": \"rule:missing\"").unwrap();
        let findings = review(magnum::RULES, &undefined, &Options::default());
        assert!(findings[0].text.contains("rule missing, which is not defined"));
    }
}
