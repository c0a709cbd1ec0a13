//! The outcome of looking something up by a name or an id that a person gave.

/// How many things have the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find<T> {
    /// Exactly one.
    One(T),
    /// None.
    None,
    /// Several: only an id would tell them apart.
    Many,
}

impl<T> Find<T> {
    /// The one, unless there are none or several.
    pub fn one(self) -> Option<T> {
        match self {
            Self::One(found) => Some(found),
            Self::None | Self::Many => None,
        }
    }
}

impl<T> From<Vec<T>> for Find<T> {
    fn from(mut all: Vec<T>) -> Self {
        match (all.pop(), all.is_empty()) {
            (None, _) => Self::None,
            (Some(found), true) => Self::One(found),
            (Some(_), false) => Self::Many,
        }
    }
}

/// True for what Keystone, Glance, Neutron and Cinder use as ids: a UUID with or without hyphens.
pub(crate) fn looks_like_id(text: &str) -> bool {
    matches!(text.len(), 32 | 36) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
