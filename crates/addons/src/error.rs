//! What can be wrong.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// A catalogue, or a manifest that it names, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}: {reason}", file.display(), At(*line))]
pub struct CatalogueError {
    /// The file; `<shipped>/…` for what is part of the program.
    pub file: PathBuf,
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

/// A label that asks for what the catalogue does not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{label}: {reason}")]
pub struct WrongLabel {
    /// Name of the label, or `network_driver` for that field of the template.
    pub label: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Objects that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RenderError {
    /// A manifest by reference, or the output of a chart, is not at hand.
    #[error("the manifest {0} is missing")]
    Missing(String),
    /// A manifest by reference is not what the catalogue says.
    #[error("the manifest {url} has the SHA-256 digest {found}, and not {expected}")]
    Digest {
        /// Where it comes from.
        url: String,
        /// What the catalogue says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A manifest that is none.
    #[error("{0}")]
    Manifest(String),
}

/// A policy for tokens of Keystone that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// It is no list of entries.
    #[error("not a policy: {0}")]
    Syntax(String),
    /// One of them is wrong.
    #[error("entry {entry}: {reason}")]
    Entry {
        /// Which, from 1.
        entry: usize,
        /// What is wrong.
        reason: String,
    },
}
