//! The sample policy file: every rule with its default, commented out.

use std::fmt::Write as _;

use crate::rules::Registered;

/// A policy file that changes nothing.
pub fn sample(rules: &[Registered<'_>]) -> String {
    let mut out = String::from(
        "# Rules of the container infrastructure API. What stands here takes the place of a default.\n\
         # Every rule is commented out: the defaults are what is used without this file.\n",
    );
    for rule in rules {
        // Writing to a text cannot fail.
        let _ = write_rule(&mut out, rule);
    }
    out
}

fn write_rule(out: &mut String, rule: &Registered<'_>) -> std::fmt::Result {
    writeln!(out, "\n# {}.", rule.description)?;
    for (method, path) in rule.operations {
        writeln!(out, "# {method}  {path}")?;
    }
    if !rule.scopes.is_empty() {
        let scopes: Vec<&str> = rule.scopes.iter().map(|scope| scope.as_str()).collect();
        writeln!(out, "# Scopes of tokens: {}", scopes.join(", "))?;
    }
    if rule.own {
        writeln!(out, "# Not a rule of Magnum's.")?;
    }
    writeln!(out, "#{}: {}", quoted(rule.name), quoted(rule.check))?;
    if let Some(old) = rule.deprecated {
        writeln!(out, "# Until {}: {}", old.since, quoted(old.check))?;
        writeln!(
            out,
            "# {} With enforce_new_defaults = false the old default grants too.",
            old.reason
        )?;
    }
    Ok(())
}

/// In double quotes, which JSON and YAML write alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{file, magnum};

    #[test]
    fn the_sample_without_its_comment_signs_is_a_policy_file_of_the_defaults() {
        let sample = sample(magnum::RULES);
        assert_eq!(file::read(Path::new("sample"), &sample).unwrap(), []);
        let active: String = sample
            .lines()
            .map(|line| match line.strip_prefix("#\"") {
                Some(rule) => format!("\"{rule}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        let read = file::read(Path::new("sample"), &active).unwrap();
        let names: Vec<&str> = read.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(
            names,
            magnum::RULES.iter().map(|rule| rule.name).collect::<Vec<_>>()
        );
    }
}
