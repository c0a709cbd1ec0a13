//! Versions of Kubernetes, and which configuration format the kubeadm of each wants.

use std::fmt;
use std::str::FromStr;

/// `1.31.2`, or `1.32.0-rc.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    minor: u32,
    patch: u32,
    /// Such as `rc.1`; empty for a release.
    pre: String,
}

/// Version of kubeadm's configuration format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Up to 1.21.
    V1Beta2,
    /// 1.22 to 1.30.
    V1Beta3,
    /// 1.31 and later.
    V1Beta4,
}

impl Format {
    /// `apiVersion` of its documents.
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::V1Beta2 => "kubeadm.k8s.io/v1beta2",
            Self::V1Beta3 => "kubeadm.k8s.io/v1beta3",
            Self::V1Beta4 => "kubeadm.k8s.io/v1beta4",
        }
    }
}

/// Oldest minor version whose nodes the driver's configuration is known to work on.
const OLDEST_MINOR: u32 = 20;

impl Version {
    /// Format that the kubeadm of this version prefers.
    pub(crate) fn format(&self) -> Format {
        match self.minor {
            ..=21 => Format::V1Beta2,
            22..=30 => Format::V1Beta3,
            _ => Format::V1Beta4,
        }
    }

    /// Second number.
    pub(crate) fn minor(&self) -> u32 {
        self.minor
    }

    /// How many minor versions a kubelet may be older than the API that it speaks with.
    pub(crate) fn oldest_kubelet(&self) -> u32 {
        self.minor.saturating_sub(if self.minor < 28 { 2 } else { 3 })
    }

    /// What versions are ordered by: a pre-release comes before its release.
    pub(crate) fn rank(&self) -> (u32, u32, bool, &str) {
        (self.minor, self.patch, self.pre.is_empty(), &self.pre)
    }

    /// Address of containerd as kubeadm writes it: a URL since 1.24.
    pub(crate) fn cri_socket(&self) -> &'static str {
        if self.minor < 24 {
            "/run/containerd/containerd.sock"
        } else {
            "unix:///run/containerd/containerd.sock"
        }
    }
}

impl FromStr for Version {
    type Err = String;

    /// Reads `v1.31.2` with or without the `v`. A suffix that is no pre-release, such as `-rancher1`, is another
    /// builder's mark on the same version.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a version of Kubernetes such as v1.31.2");
        let plain = text.trim();
        let plain = plain.strip_prefix('v').unwrap_or(plain);
        let (numbers, suffix) = plain.split_once(['-', '+']).unwrap_or((plain, ""));
        let numbers: Vec<&str> = numbers.split('.').collect();
        let [major, minor, patch] = numbers[..] else {
            return Err(wrong());
        };
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let (major, minor, patch) = (number(major)?, number(minor)?, number(patch)?);
        if major != 1 || minor > 999 || patch > 9_999 {
            return Err(wrong());
        }
        if minor < OLDEST_MINOR {
            return Err(format!(
                "{text:?} is too old: 1.{OLDEST_MINOR} or later is needed"
            ));
        }
        let is_pre = ["alpha", "beta", "rc"]
            .iter()
            .any(|kind| suffix.starts_with(kind));
        let is_word = suffix
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        Ok(Self {
            minor,
            patch,
            pre: match is_pre && is_word {
                true => suffix.to_owned(),
                false => String::new(),
            },
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}.{}", self.minor, self.patch)?;
        if self.pre.is_empty() {
            Ok(())
        } else {
            write!(f, "-{}", self.pre)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_format() {
        let format = |text: &str| text.parse::<Version>().unwrap().format();
        assert_eq!(format("v1.20.2"), Format::V1Beta2);
        assert_eq!(format("1.21.14"), Format::V1Beta2);
        assert_eq!(format("v1.22.0"), Format::V1Beta3);
        assert_eq!(format("v1.30.9"), Format::V1Beta3);
        assert_eq!(format("v1.31.0"), Format::V1Beta4);
        assert_eq!(format("v1.40.1"), Format::V1Beta4);
    }

    #[test]
    fn a_version_is_read_as_images_and_labels_write_it() {
        for (text, shown) in [
            ("v1.31.2", "v1.31.2"),
            ("1.31.2", "v1.31.2"),
            ("v1.23.3-rancher1", "v1.23.3"),
            ("v1.32.0-rc.1", "v1.32.0-rc.1"),
            ("v1.30.1+k3s1", "v1.30.1"),
        ] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "latest",
            "v1.31",
            "v2.0.0",
            "1.31.x",
            "v1.19.4",
            "v1.31.2.3",
            "1.-1.0",
        ] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
    }
}
