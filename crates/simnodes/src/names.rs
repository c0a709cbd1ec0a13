//! Names on this machine for the objects of one simulator, all derived from the instance name and the object's id.
//!
//! Whatever carries the instance's prefix belongs to it alone and may be swept away.

use crate::error::Error;

/// The names of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    instance: String,
}

/// What a network namespace holds.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// The bridge of a network.
    Network,
    /// A router.
    Router,
    /// A server.
    Server,
    /// A load balancer.
    Balancer,
}

impl Names {
    /// Accepts one to six lower-case letters and digits: interface names hold fifteen characters.
    pub(crate) fn new(instance: &str) -> Result<Self, Error> {
        let fits = (1..=6).contains(&instance.len())
            && instance
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if fits {
            Ok(Self {
                instance: instance.to_owned(),
            })
        } else {
            Err(Error::BadName(instance.to_owned()))
        }
    }

    /// Prefix of every network namespace and control group of this instance.
    pub(crate) fn prefix(&self) -> String {
        format!("jb-{}-", self.instance)
    }

    /// The one interface in the root network namespace.
    pub(crate) fn access_link(&self) -> String {
        format!("jb-{}", self.instance)
    }

    /// Network namespace of an object.
    pub(crate) fn netns(&self, kind: Kind, id: &str) -> String {
        let letter = match kind {
            Kind::Network => 'n',
            Kind::Router => 'r',
            Kind::Server => 's',
            Kind::Balancer => 'l',
        };
        format!("{}{letter}{:010x}", self.prefix(), short(id))
    }
}

/// Interface name within a namespace: a letter and a digest of the ids that it stands for.
pub(crate) fn link(letter: char, id: &str) -> String {
    format!("{letter}{:010x}", short(id))
}

fn short(id: &str) -> u64 {
    fnv1a(id.as_bytes()) & 0xff_ffff_ffff
}

/// FNV-1a, 64 bits: stable over versions of the compiler, as the standard library's hasher is not.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Refuses ids that could escape a directory or start an option.
pub(crate) fn check_id(id: &str) -> Result<(), Error> {
    let safe = id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.len() <= 64
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if safe {
        Ok(())
    } else {
        Err(Error::BadName(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_fit_the_kernel() {
        let names = Names::new("abcdef").unwrap();
        assert!(names.access_link().len() <= 15);
        assert!(link('p', "10f2ba8e-0f8b-4f0c-9d34-ad3c6d1a2b3c").len() <= 15);
    }

    #[test]
    fn the_digest_is_the_published_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn unsafe_names_are_refused() {
        for bad in ["", "toolong", "A", "a-b", "a/b"] {
            assert!(Names::new(bad).is_err(), "{bad}");
        }
        for bad in ["", "../x", "-x", "a b", "a/b"] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
        assert!(check_id("10f2ba8e-0f8b-4f0c-9d34-ad3c6d1a2b3c").is_ok());
    }
}
