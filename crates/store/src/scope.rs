//! Whose rows a caller may see, and how one of them is named. A forgotten check does not type: every look-up on
//! behalf of a caller demands a [`Scope`].

use jeroboam_types::{ProjectId, UserId};
use uuid::Uuid;

/// Whose rows a caller may see, made from the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the token's project.
    Project {
        /// The project.
        project_id: ProjectId,
    },
    /// Those that the user made: a token without a project.
    User {
        /// The user.
        user_id: UserId,
    },
    /// All of the cloud: an administrator.
    All,
}

/// How a request names a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ident {
    /// By its UUID.
    Uuid(Uuid),
    /// By its name, which several rows may have.
    Name(String),
}

impl Ident {
    /// Any spelling of a UUID (upper case, without hyphens, in braces, `urn:uuid:`) is one; all else is a name.
    pub fn parse(text: &str) -> Self {
        Uuid::parse_str(text).map_or_else(|_| Self::Name(text.to_owned()), Self::Uuid)
    }
}

/// A UUID as it is stored.
pub(crate) fn stored(uuid: Uuid) -> String {
    uuid.hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_uuid_names_the_same_row() {
        let plain = "5d12f6fd-a196-4bf0-ae4c-1f639a523a52";
        let Ident::Uuid(uuid) = Ident::parse(plain) else {
            panic!("not a UUID")
        };
        assert_eq!(stored(uuid), plain);
        assert_eq!(
            Ident::parse("5D12F6FDA1964BF0AE4C1F639A523A52"),
            Ident::Uuid(uuid)
        );
        assert_eq!(Ident::parse("5d12f6fd"), Ident::Name("5d12f6fd".into()));
        assert_eq!(Ident::parse("12"), Ident::Name("12".into()));
    }
}
