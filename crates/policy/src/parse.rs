//! Rules from text, or from lists in the oldest form. What cannot be understood fails closed, in the same places
//! as in oslo.policy, and is told.

use crate::check::Check;
use crate::format::Template;
use crate::literal::Left;
use crate::python;

/// Checks in checks; more is an accident or an attack.
const MAX_DEPTH: usize = 100;

/// What is wrong with a rule that is still a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The whole text is refused.
    #[error("the rule cannot be understood, so it never grants anything")]
    NotARule,
    /// A word is not a check.
    #[error("`{0}` is not a check (it has no colon), so it never holds")]
    NotACheck(String),
    /// A left side that Python cannot read.
    #[error("`{0}` in front of a colon is neither a literal nor the name of an attribute, so the rule fails")]
    BadLeft(String),
    /// Checks in checks in checks.
    #[error("checks are nested too deeply, so the rule never grants anything")]
    TooDeep,
}

/// A rule with what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What it asks for.
    pub check: Check,
    /// What could not be understood.
    pub problems: Vec<Problem>,
}

/// An element of a rule that is a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// One check.
    One(String),
    /// Checks that must all hold.
    All(Vec<String>),
}

/// A rule in the policy language.
pub fn parse(rule: &str) -> Parsed {
    let mut problems = Vec::new();
    if rule.is_empty() {
        return Parsed {
            check: Check::Always,
            problems,
        };
    }
    let mut stack = Stack::default();
    for word in rule.split(python::is_space) {
        stack.word(word, &mut problems);
        if stack.deep {
            problems.push(Problem::TooDeep);
            break;
        }
    }
    let check = match (stack.items.pop(), stack.items.is_empty()) {
        _ if stack.deep => Check::Never,
        (Some(Item::Check(check)), true) => check,
        (Some(Item::And(all)), true) => Check::And(all),
        (Some(Item::Or(all)), true) => Check::Or(all),
        _ => {
            problems.push(Problem::NotARule);
            Check::Never
        }
    };
    Parsed { check, problems }
}

/// A rule as a list: one of the elements must hold.
pub fn parse_list(rule: &[Inner]) -> Parsed {
    let mut problems = Vec::new();
    let mut any = Vec::new();
    for inner in rule {
        let checks = match inner {
            Inner::One(text) => std::slice::from_ref(text),
            Inner::All(texts) => texts.as_slice(),
        };
        // An empty text is skipped as an empty list is.
        if checks.is_empty() || matches!(inner, Inner::One(text) if text.is_empty()) {
            continue;
        }
        let mut all: Vec<Check> = checks
            .iter()
            .map(|text| parse_check(text, &mut problems))
            .collect();
        any.push(match (all.pop(), all.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                all.extend(last);
                Check::And(all)
            }
        });
    }
    let check = match (any.pop(), any.is_empty()) {
        _ if rule.is_empty() => Check::Always,
        (None, _) => Check::Never,
        (Some(only), true) => only,
        (Some(last), false) => {
            any.push(last);
            Check::Or(any)
        }
    };
    Parsed { check, problems }
}

/// A single check.
fn parse_check(text: &str, problems: &mut Vec<Problem>) -> Check {
    match text {
        "!" => return Check::Never,
        "@" => return Check::Always,
        _ => {}
    }
    let Some((kind, match_)) = text.split_once(':') else {
        problems.push(Problem::NotACheck(text.to_owned()));
        return Check::Never;
    };
    match kind {
        "rule" => Check::Rule(match_.to_owned()),
        "role" => Check::Role(Template::parse(match_)),
        "http" | "https" => Check::Remote(Template::parse(text)),
        _ => {
            let left = Left::parse(kind);
            if !left.is_usable() {
                problems.push(Problem::BadLeft(kind.to_owned()));
            }
            Check::Generic(left, Template::parse(match_))
        }
    }
}

/// What stands on the stack of the parser.
enum Item {
    Open,
    Close,
    AndWord,
    OrWord,
    NotWord,
    /// A word in quotes, which fits nowhere.
    Quoted,
    Check(Check),
    And(Vec<Check>),
    Or(Vec<Check>),
}

/// Reduces greedily, as oslo.policy does: the tree, and so its text, is the same.
#[derive(Default)]
struct Stack {
    items: Vec<Item>,
    deep: bool,
}

impl Stack {
    fn word(&mut self, word: &str, problems: &mut Vec<Problem>) {
        let rest = word.trim_start_matches('(');
        for _ in 0..word.len() - rest.len() {
            self.shift(Item::Open);
        }
        let clean = rest.trim_end_matches(')');
        if !clean.is_empty() {
            self.shift(match clean.to_lowercase().as_str() {
                "and" => Item::AndWord,
                "or" => Item::OrWord,
                "not" => Item::NotWord,
                _ if is_quoted(rest) => Item::Quoted,
                _ => Item::Check(parse_check(clean, problems)),
            });
        }
        for _ in 0..rest.len() - clean.len() {
            self.shift(Item::Close);
        }
    }

    fn shift(&mut self, item: Item) {
        if self.items.len() > 4 * MAX_DEPTH {
            self.deep = true;
            return;
        }
        self.items.push(item);
        while self.reduce() {}
    }

    /// True if something was reduced.
    fn reduce(&mut self) -> bool {
        let reduced = match self.items.as_mut_slice() {
            [.., Item::Open, middle, Item::Close] => match middle.take() {
                Some(inner) => (3, Item::Check(inner)),
                None => return false,
            },
            [.., Item::Check(first), Item::AndWord, Item::Check(second)] => {
                (3, Item::And(vec![take(first), take(second)]))
            }
            [.., Item::And(all), Item::AndWord, Item::Check(next)] => {
                all.push(take(next));
                (3, Item::And(std::mem::take(all)))
            }
            [.., Item::Or(any), Item::AndWord, Item::Check(next)] => {
                let next = take(next);
                let joined = match any.pop() {
                    Some(Check::And(mut all)) => {
                        all.push(next);
                        Check::And(all)
                    }
                    Some(last) => Check::And(vec![last, next]),
                    None => next,
                };
                any.push(joined);
                (3, Item::Or(std::mem::take(any)))
            }
            [.., Item::Check(first), Item::OrWord, Item::Check(second)] => {
                (3, Item::Or(vec![take(first), take(second)]))
            }
            [.., Item::And(all), Item::OrWord, Item::Check(next)] => {
                (3, Item::Or(vec![Check::And(std::mem::take(all)), take(next)]))
            }
            [.., Item::Or(any), Item::OrWord, Item::Check(next)] => {
                any.push(take(next));
                (3, Item::Or(std::mem::take(any)))
            }
            [.., Item::NotWord, Item::Check(check)] => (2, Item::Check(Check::Not(Box::new(take(check))))),
            _ => return false,
        };
        let (count, item) = reduced;
        self.items.truncate(self.items.len() - count);
        if let Item::Check(check) = &item
            && check.depth() > MAX_DEPTH
        {
            self.deep = true;
        }
        self.items.push(item);
        true
    }
}

impl Item {
    /// The check of a reduced item.
    fn take(&mut self) -> Option<Check> {
        match self {
            Self::Check(check) => Some(take(check)),
            Self::And(all) => Some(Check::And(std::mem::take(all))),
            Self::Or(any) => Some(Check::Or(std::mem::take(any))),
            _ => None,
        }
    }
}

fn take(check: &mut Check) -> Check {
    std::mem::replace(check, Check::Never)
}

/// Trailing parentheses count: `'a')` is not in quotes.
fn is_quoted(word: &str) -> bool {
    let quoted = |quote: char| word.len() >= 2 && word.starts_with(quote) && word.ends_with(quote);
    quoted('"') || quoted('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_the_tree_that_oslo_policy_prints() {
        for (rule, text) in [
            ("", "@"),
            ("@", "@"),
            ("!", "!"),
            ("role:admin", "role:admin"),
            ("a:1 or b:2 and c:3", "(a:1 or (b:2 and c:3))"),
            ("a:1 and b:2 or c:3", "((a:1 and b:2) or c:3)"),
            ("a:1 and (b:2 or c:3)", "(a:1 and (b:2 or c:3))"),
            ("a:1 or (b:2 and c:3) and d:4", "(a:1 or (b:2 and c:3 and d:4))"),
            ("NOT a:1 AND not (b:%(x)s)", "(not a:1 and not b:%(x)s)"),
            ("((a:1))", "a:1"),
            ("role:a or foo", "(role:a or !)"),
            ("a:1 b:2", "!"),
            ("(a:1", "!"),
            ("a:1)", "!"),
            ("and", "!"),
            ("   ", "!"),
            ("'a'", "!"),
            ("()", "!"),
            ("http://x/%(id)s", "http://x/%(id)s"),
        ] {
            assert_eq!(parse(rule).check.to_string(), text, "{rule}");
        }
    }

    #[test]
    fn lists_are_alternatives_of_conjunctions() {
        let all = |texts: &[&str]| Inner::All(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(parse_list(&[]).check, Check::Always);
        assert_eq!(parse_list(&[all(&[])]).check, Check::Never);
        let rule = [Inner::One("role:a".to_owned()), all(&["b:1", "c:2"])];
        assert_eq!(parse_list(&rule).check.to_string(), "(role:a or (b:1 and c:2))");
    }

    #[test]
    fn what_fails_closed_is_told() {
        assert_eq!(
            parse("role:a or foo").problems,
            [Problem::NotACheck("foo".to_owned())]
        );
        assert_eq!(parse("a:1 or").problems, [Problem::NotARule]);
        assert_eq!(parse("class:1").problems, [Problem::BadLeft("class".to_owned())]);
        let deep = "not ".repeat(5000) + "@";
        let parsed = parse(&deep);
        assert_eq!(
            (parsed.check, parsed.problems),
            (Check::Never, vec![Problem::TooDeep])
        );
        assert_eq!(parse(&"(".repeat(100_000)).check, Check::Never);
    }
}
