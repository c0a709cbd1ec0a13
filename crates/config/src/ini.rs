//! The INI dialect of oslo.config, checked against oslo.config 10.7.
//!
//! - A line that begins with a space or tab continues the value above, even if it looks like a comment or a
//!   section; the parts are joined by newlines. A blank line or a comment ends the value.
//! - `#` and `;` begin a comment in the first column only; there are no comments behind values.
//! - `=` or `:`, whichever comes first, ends the name.
//! - One pair of equal quotes around the first line of a value is taken off.
//! - Names of sections are compared in lower case, except `DEFAULT`; names of options as they are.

use std::path::Path;

use crate::ConfigError;

/// One `name = value`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Normalised.
    pub(crate) section: String,
    pub(crate) option: String,
    pub(crate) value: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// The assignments of a file, in order. `path` is for errors only.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Vec<Assignment>, ConfigError> {
    let mut assignments: Vec<Assignment> = Vec::new();
    let mut section: Option<String> = None;
    let mut continues = false;
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let wrong = |what| ConfigError::Syntax {
            path: path.to_owned(),
            line: number,
            what,
        };
        let line = raw.trim_end();
        if line.is_empty() {
            continues = false;
        } else if line.starts_with([' ', '\t']) {
            match assignments.last_mut() {
                Some(assignment) if continues => {
                    assignment.value.push('\n');
                    assignment.value.push_str(line.trim_start());
                }
                _ => {
                    return Err(wrong(
                        "an indented line continues a value, but there is none above",
                    ));
                }
            }
        } else if let Some(name) = line.strip_prefix('[') {
            continues = false;
            let name = name
                .strip_suffix(']')
                .ok_or_else(|| wrong("a section must end with ]"))?;
            if name.is_empty() {
                return Err(wrong("the section has no name"));
            }
            section = Some(normalise(name));
        } else if line.starts_with(['#', ';']) {
            continues = false;
        } else {
            let at = line
                .find(['=', ':'])
                .ok_or_else(|| wrong("neither = nor : follows the name of an option"))?;
            let option = line[..at].trim();
            if option.is_empty() {
                return Err(wrong("the option has no name"));
            }
            let section = section
                .clone()
                .ok_or_else(|| wrong("the option stands before the first section"))?;
            let value = unquote(line[at + 1..].trim()).to_owned();
            assignments.push(Assignment {
                section,
                option: option.to_owned(),
                value,
                line: number,
            });
            continues = true;
        }
    }
    Ok(assignments)
}

pub(crate) fn normalise(section: &str) -> String {
    if section == "DEFAULT" {
        section.to_owned()
    } else {
        section.to_lowercase()
    }
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            // A lone quote counts as both ends.
            return if inner.is_empty() {
                inner
            } else {
                inner.strip_suffix(quote).unwrap_or(value)
            };
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    type Triple = (String, String, String);

    fn values(text: &str) -> Result<Vec<Triple>, (usize, &'static str)> {
        match parse(text, Path::new("x.conf")) {
            Ok(found) => Ok(found
                .into_iter()
                .map(|found| (found.section, found.option, found.value))
                .collect()),
            Err(ConfigError::Syntax { line, what, .. }) => Err((line, what)),
            Err(other) => panic!("{other}"),
        }
    }

    /// Every expectation was taken from oslo.config 10.7.0 by running it.
    #[test]
    fn values_are_those_of_oslo_config() {
        for (line, expected) in [
            ("s = a", "a"),
            ("s=a", "a"),
            ("s: a", "a"),
            ("s:a=b", "a=b"),
            ("s=a:b", "a:b"),
            ("s = \"a b\"", "a b"),
            ("s = 'a'", "a"),
            ("s = \"a'", "\"a'"),
            ("s = \"", ""),
            ("s = \"\"", ""),
            ("s =", ""),
            ("s = a # c", "a # c"),
            ("s = a ; c", "a ; c"),
            ("s = a\n  b\n  c", "a\nb\nc"),
            ("s = \"a\"\n  \"b\"", "a\n\"b\""),
            ("s = a\n   # c\n\tb", "a\n# c\nb"),
            ("s =\n  b", "\nb"),
            ("s = a\\", "a\\"),
            ("s = a\r", "a"),
            ("s = a\n# c", "a"),
            ("s = a\n\n; c\n", "a"),
        ] {
            let found = values(&format!("[DEFAULT]\n{line}")).unwrap();
            assert_eq!(
                found,
                [("DEFAULT".to_owned(), "s".to_owned(), expected.to_owned())],
                "{line:?}"
            );
        }
    }

    #[test]
    fn section_names_are_compared_as_oslo_config_does() {
        for (section, normalised) in [
            ("DEFAULT", "DEFAULT"),
            ("default", "default"),
            ("API", "api"),
            (" g ", " g "),
            ("DEFAULT ", "default "),
        ] {
            assert_eq!(values(&format!("[{section}]\nS S = a")).unwrap()[0].0, normalised);
        }
        let repeated = values("[g]\ns=1\n[h]\ns=2\n[g]\ns=3\n").unwrap();
        assert_eq!(
            repeated.iter().map(|found| found.0.as_str()).collect::<Vec<_>>(),
            ["g", "h", "g"]
        );
    }

    #[test]
    fn what_oslo_config_refuses_is_refused_with_its_line() {
        for (text, line, reason) in [
            ("[DEFAULT]\n  s = a", 2, "indented"),
            ("[DEFAULT]\n\ts=a", 2, "indented"),
            ("[DEFAULT]\n # c\ns=a", 2, "indented"),
            ("[DEFAULT]\ns = a\n\n  b", 4, "indented"),
            ("[DEFAULT]\ns = a\n \n  b", 4, "indented"),
            ("[DEFAULT]\ns = a\n# c\n  b", 4, "indented"),
            ("[DEFAULT]\ns = a\n[g]\n  b", 4, "indented"),
            (" [DEFAULT]\ns=a", 1, "indented"),
            ("[DEFAULT]\ns a", 2, "neither"),
            ("[DEFAULT]\n= a", 2, "no name"),
            ("[DEFAULT]\n: a", 2, "no name"),
            ("s = a", 1, "before the first section"),
            ("[DEFAULT\ns=a", 1, "must end"),
            ("[]\ns=a", 1, "no name"),
            ("[DEFAULT] # c\ns=a", 1, "must end"),
        ] {
            let (found, what) = values(text).unwrap_err();
            assert_eq!(found, line, "{text:?}");
            assert!(what.contains(reason), "{text:?}: {what}");
        }
    }
}
