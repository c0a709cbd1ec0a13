//! Links of resources.

use std::fmt::{self, Display};

use serde::ser::{Serialize, SerializeSeq as _, SerializeStruct as _, Serializer};

/// `self` and `bookmark` of a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links<'a, P> {
    /// Scheme, host and mount prefix.
    pub(crate) base: &'a str,
    /// The resource's collection and identifier.
    pub(crate) path: P,
}

impl<P: Display> Serialize for Links<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (base, path) = (self.base, &self.path);
        let mut links = serializer.serialize_seq(Some(2))?;
        links.serialize_element(&Link {
            href: format_args!("{base}/v1/{path}"),
            rel: "self",
        })?;
        links.serialize_element(&Link {
            href: format_args!("{base}/{path}"),
            rel: "bookmark",
        })?;
        links.end()
    }
}

struct Link<'a> {
    href: fmt::Arguments<'a>,
    rel: &'static str,
}

impl Serialize for Link<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut link = serializer.serialize_struct("Link", 2)?;
        link.serialize_field("href", &self.href)?;
        link.serialize_field("rel", self.rel)?;
        link.end()
    }
}

/// Path of something in a collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a, I>(pub(crate) &'a str, pub(crate) I);

impl<I: Display> Display for Member<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}
