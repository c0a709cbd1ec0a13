//! Where values come from: the environment before files, later files before earlier ones, then the defaults.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::ConfigError;
use crate::config::SECTIONS;
use crate::ignored::is_ignored;
use crate::ini::{self, Assignment};
use crate::option::{Initial, OptionSpec, SectionSpec};
use crate::renamed::present_name;
use crate::substitute::substitute;
use crate::value::OptionValue;

type Name = (String, String);

struct Found {
    raw: String,
    origin: String,
    /// It was set under a name of an earlier release.
    renamed: bool,
}

/// Every value that was set, not yet typed.
pub(crate) struct Source {
    set: HashMap<Name, Found>,
    host_name: String,
    warnings: Vec<String>,
}

const BUILT_IN: &str = "built-in default";
const HIDDEN: &str = "(hidden)";

impl Source {
    pub(crate) fn new(host_name: String) -> Self {
        Self {
            set: HashMap::new(),
            host_name,
            warnings: Vec::new(),
        }
    }

    /// Adds the assignments of a file, over those added before.
    pub(crate) fn add_text(&mut self, text: &str, path: &Path) -> Result<(), ConfigError> {
        let mut unknown_sections = HashSet::new();
        for Assignment {
            section,
            option,
            value,
            line,
        } in ini::parse(text, path)?
        {
            let origin = format!("{}:{line}", path.display());
            if let Some((new_section, new_option)) = present_name(&section, &option) {
                self.warnings.push(format!(
                    "{origin}: [{section}] {option} is an old name of [{new_section}] {new_option}"
                ));
                self.insert_renamed(
                    new_section,
                    new_option,
                    Found {
                        raw: value,
                        origin,
                        renamed: false,
                    },
                );
            } else if spec(&section, &option).is_some() || is_ignored(&section, &option) {
                self.set.insert(
                    (section, option),
                    Found {
                        raw: value,
                        origin,
                        renamed: false,
                    },
                );
            } else if section_spec(&section).is_some() {
                self.warnings.push(format!(
                    "{origin}: unknown option {option} in [{section}] has no effect"
                ));
            } else if unknown_sections.insert(section.clone()) {
                self.warnings
                    .push(format!("{origin}: unknown section [{section}] has no effect"));
            }
        }
        Ok(())
    }

    /// Adds a value under an option's old name: the present name, set in the same source, wins.
    fn insert_renamed(&mut self, section: &str, option: &str, found: Found) {
        let source = |origin: &str| origin.rsplit_once(':').map(|(file, _)| file.to_owned());
        let known = self.set.get(&name(section, option));
        let same = known.is_some_and(|known| {
            !known.renamed && source(&known.origin).is_some_and(|file| Some(file) == source(&found.origin))
        });
        if !same {
            self.set.insert(
                name(section, option),
                Found {
                    renamed: true,
                    ..found
                },
            );
        }
    }

    /// Whether the option can be referred to: one without effect only when a file sets it.
    fn exists(&self, section: &str, option: &str) -> bool {
        spec(section, option).is_some() || self.set.contains_key(&name(section, option))
    }

    /// Adds the variables named `OS_<SECTION>__<OPTION>`, over everything else.
    pub(crate) fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (variable, value) in variables {
            let named = variable
                .strip_prefix("OS_")
                .and_then(|name| name.split_once("__"));
            let Some((upper_section, upper_option)) = named else {
                continue;
            };
            let Some(section) = SECTIONS
                .iter()
                .find(|known| known.name.to_uppercase() == upper_section)
            else {
                continue;
            };
            let option = section
                .options
                .iter()
                .find(|known| known.name.to_uppercase() == upper_option);
            if let Some(option) = option {
                let name = (section.name.to_owned(), option.name.to_owned());
                self.set.insert(
                    name,
                    Found {
                        raw: value,
                        origin: variable,
                        renamed: false,
                    },
                );
            } else if !is_ignored(section.name, &upper_option.to_lowercase()) {
                self.warnings.push(format!(
                    "{variable}: unknown option in [{}] has no effect",
                    section.name
                ));
            }
        }
    }

    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// Where the option was set.
    pub(crate) fn origin(&self, section: &str, option: &str) -> &str {
        self.set
            .get(&name(section, option))
            .map_or(BUILT_IN, |found| &found.origin)
    }

    /// The typed value of a declared option.
    pub(crate) fn read<T: OptionValue>(&self, section: &str, option: &str) -> Result<T, ConfigError> {
        let set = self
            .set
            .get(&name(section, option))
            .map(|found| found.raw.as_str());
        let set = set
            .map(|raw| self.resolve(section, option, raw, &mut Vec::new()))
            .transpose()?;
        let text = match set {
            Some(text) if !(T::EMPTY_IS_UNSET && text.trim().is_empty()) => Some(text),
            _ => self.initial(section, option, &mut Vec::new())?,
        };
        let Some(text) = text else {
            return T::unset().ok_or_else(|| self.refusal(section, option, "a value".to_owned()));
        };
        T::parse(&text).map_err(|expected| self.refusal(section, option, expected))
    }

    /// Fails unless `check` accepts the value that was just read.
    pub(crate) fn check<T: OptionValue>(
        &self,
        section: &str,
        option: &str,
        value: &T,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        check(value).map_err(|expected| self.refusal(section, option, expected))
    }

    /// Shows the value as it was written: what it refers to may be secret.
    fn refusal(&self, section: &str, option: &str, expected: String) -> ConfigError {
        let raw = self
            .set
            .get(&name(section, option))
            .map_or("", |found| found.raw.as_str());
        ConfigError::Value {
            origin: self.origin(section, option).to_owned(),
            section: section.to_owned(),
            option: option.to_owned(),
            shown: if is_secret(section, option) {
                HIDDEN.to_owned()
            } else {
                format!("{raw:?}")
            },
            expected,
        }
    }

    fn initial(
        &self,
        section: &str,
        option: &str,
        asking: &mut Vec<Name>,
    ) -> Result<Option<String>, ConfigError> {
        match spec(section, option).map_or(Initial::Unset, |spec| spec.initial) {
            Initial::Text(raw) => self.resolve(section, option, raw, asking).map(Some),
            Initial::HostName => Ok(Some(self.host_name.clone())),
            Initial::Unset => Ok(None),
        }
    }

    /// `raw` with its references replaced. A name without a dot is looked for in the same section, then in
    /// `DEFAULT`. `asking` holds the options on whose behalf this happens.
    fn resolve(
        &self,
        section: &str,
        option: &str,
        raw: &str,
        asking: &mut Vec<Name>,
    ) -> Result<String, ConfigError> {
        if !raw.contains('$') {
            return Ok(raw.to_owned());
        }
        let own = || {
            (
                self.origin(section, option).to_owned(),
                section.to_owned(),
                option.to_owned(),
            )
        };
        if asking.contains(&name(section, option)) {
            let (origin, section, option) = own();
            return Err(ConfigError::Circle {
                origin,
                section,
                option,
            });
        }
        asking.push(name(section, option));
        let resolved = substitute(raw, |reference| {
            let candidates = match reference.split_once('.') {
                Some(elsewhere) => [elsewhere, elsewhere],
                None => [(section, reference), ("DEFAULT", reference)],
            };
            let target = candidates
                .into_iter()
                .find(|(section, option)| self.exists(section, option));
            let Some((section, option)) = target else {
                let reference = if is_secret(section, option) {
                    HIDDEN.to_owned()
                } else {
                    format!("${reference}")
                };
                let (origin, section, option) = own();
                return Err(ConfigError::Reference {
                    origin,
                    section,
                    option,
                    reference,
                });
            };
            let text = match self.set.get(&name(section, option)) {
                Some(found) => Some(self.resolve(section, option, &found.raw, asking)?),
                None => self.initial(section, option, asking)?,
            };
            Ok(text.unwrap_or_default())
        });
        asking.pop();
        resolved
    }
}

fn name(section: &str, option: &str) -> Name {
    (section.to_owned(), option.to_owned())
}

fn section_spec(section: &str) -> Option<&'static SectionSpec> {
    SECTIONS.iter().find(|known| known.name == section)
}

fn spec(section: &str, option: &str) -> Option<&'static OptionSpec> {
    section_spec(section)?
        .options
        .iter()
        .find(|known| known.name == option)
}

fn is_secret(section: &str, option: &str) -> bool {
    spec(section, option).is_some_and(|spec| spec.secret)
}
