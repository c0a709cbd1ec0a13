//! Text that must not show up in logs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A password or other secret: it is compared and stored, never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// True when `other` is the same text.
    pub fn matches(&self, other: &str) -> bool {
        self.0 == other
    }

    /// The text, for the one answer that shows it to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
