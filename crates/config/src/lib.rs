//! The service's configuration: files in oslo.config's INI dialect, overridden by the environment.
//!
//! An existing `magnum.conf` loads as it is: options keep Magnum's names and meanings, those that have no effect
//! here are accepted in silence, and names that Magnum does not know either end up in [`Config::warnings`].
//! Invariant: each option is declared once, in [`sections`], and its type, default, reference text and reading
//! all come from there. Nothing else in the service reads the process environment.

mod config;
mod ignored;
mod ini;
mod option;
mod renamed;
mod sample;
pub mod sections;
mod source;
mod substitute;
mod value;

use std::path::PathBuf;

pub use config::{Config, ServiceCredentials};
pub use value::{
    AffinityPolicy, AuthType, CertManager, IdentityMode, Interface, RemoteContentType, TlsVersion,
};

/// Why a configuration cannot be used. The value of a secret option is never shown.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or directory cannot be read, or is not UTF-8.
    #[error("the configuration {path} cannot be read")]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A line is neither a section, nor an option, nor a comment, nor the continuation of an option.
    #[error("{path}:{line}: {what}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A value does not fit its option.
    #[error("{origin}: [{section}] {option} = {shown} is not valid: {expected} is expected")]
    Value {
        /// `file:line`, the name of an environment variable, or `built-in default`.
        origin: String,
        /// The section.
        section: String,
        /// The option.
        option: String,
        /// The value, quoted, or a placeholder when it is secret.
        shown: String,
        /// What would fit.
        expected: String,
    },
    /// What only a laboratory may set is set where no laboratory is declared.
    #[error(
        "{origin}: [drivers] trust_server_active is for laboratories only: it calls clusters complete on which nothing \
         runs. If this is one, set laboratory = true beside it"
    )]
    LaboratoryOnly {
        /// As in [`ConfigError::Value`].
        origin: String,
    },
    /// A value holds `$name`, and there is no such option.
    #[error(
        "{origin}: [{section}] {option} refers to {reference}, which is not an option (write $$ for a dollar)"
    )]
    Reference {
        /// As in [`ConfigError::Value`].
        origin: String,
        /// The section.
        section: String,
        /// The option.
        option: String,
        /// The name referred to with its dollar, or a placeholder when it is part of a secret.
        reference: String,
    },
    /// An option needs others.
    #[error("{origin}: {what}")]
    Missing {
        /// As in [`ConfigError::Value`].
        origin: String,
        /// Which option needs what.
        what: &'static str,
    },
    /// Options refer to each other in a circle.
    #[error("{origin}: [{section}] {option} refers to itself")]
    Circle {
        /// As in [`ConfigError::Value`].
        origin: String,
        /// The section.
        section: String,
        /// The option.
        option: String,
    },
}

/// The variables of the process that are UTF-8: what [`Config::load`] takes from a program's `main`.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
