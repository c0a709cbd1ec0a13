//! Arguments of the query string. An argument that a handler does not know is refused.

use jeroboam_types::labels::loose_bool;
use uuid::Uuid;

use crate::error::{ApiError, ApiResult};
use crate::path::percent_decoded;

/// Most arguments of one request; no route knows more than ten.
const MAX_ARGUMENTS: usize = 50;

/// The arguments, each once.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query string.
    ///
    /// # Errors
    /// 400 for arguments that are no text, and for one that is given twice.
    pub(crate) fn parse(raw: &str) -> ApiResult<Self> {
        let mut arguments: Vec<(String, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if arguments.len() == MAX_ARGUMENTS {
                return Err(ApiError::bad_request("The query string has too many arguments."));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (percent_decoded(name, true), percent_decoded(value, true)) {
                (Some(name), Some(value)) if !value.contains('\0') => {
                    if arguments.iter().any(|(known, _)| *known == name) {
                        let shown: String = name.chars().take(200).collect();
                        return Err(ApiError::bad_request(format!(
                            "The argument \"{shown}\" is given more than once."
                        )));
                    }
                    arguments.push((name, value));
                }
                _ => return Err(ApiError::bad_request("The query string is not valid text.")),
            }
        }
        Ok(Self(arguments))
    }

    /// Refuses every argument that is not named here.
    ///
    /// # Errors
    /// 400 that names the argument.
    pub(crate) fn only(&self, known: &[&str]) -> ApiResult<()> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let shown: String = name.chars().take(200).collect();
                Err(ApiError::bad_request(format!("Unknown argument: \"{shown}\"")))
            }
            None => Ok(()),
        }
    }

    /// Value of an argument.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Value of an argument that must be an integer.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(crate) fn int(&self, name: &str) -> ApiResult<Option<i64>> {
        let Some(text) = self.find(name) else {
            return Ok(None);
        };
        match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(ApiError::invalid(name, text, "Value should be an integer")),
        }
    }

    /// Value of an argument that must be a boolean in one of Magnum's spellings.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(crate) fn boolean(&self, name: &str) -> ApiResult<Option<bool>> {
        let Some(text) = self.find(name) else {
            return Ok(None);
        };
        match loose_bool(text) {
            Some(value) => Ok(Some(value)),
            None => Err(ApiError::invalid(name, text, "Value should be boolean")),
        }
    }

    /// Value of an argument that must be a UUID in any spelling.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(crate) fn uuid(&self, name: &str) -> ApiResult<Option<Uuid>> {
        let Some(text) = self.find(name) else {
            return Ok(None);
        };
        match Uuid::parse_str(text) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(ApiError::invalid(name, text, "Value should be a UUID")),
        }
    }
}
