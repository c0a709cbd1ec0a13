//! The services that we call: their names in the catalog and where their API begins below an endpoint.

use reqwest::Url;

/// An OpenStack service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Glance.
    Image,
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Cinder.
    BlockStorage,
    /// Octavia.
    LoadBalancer,
}

impl Service {
    /// Service type, by which errors and logs name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Image => "image",
            Self::Compute => "compute",
            Self::Network => "network",
            Self::BlockStorage => "block-storage",
            Self::LoadBalancer => "load-balancer",
        }
    }

    /// Types under which catalogs list it, best first: the official one of the service types authority, then
    /// its historical aliases.
    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::BlockStorage => &["block-storage", "block-store", "volumev3", "volume"],
            Self::Identity => &["identity"],
            Self::Image => &["image"],
            Self::Compute => &["compute"],
            Self::Network => &["network"],
            Self::LoadBalancer => &["load-balancer"],
        }
    }

    /// Path of the API version that we speak, for endpoints that stop short of it.
    fn version(self) -> &'static str {
        match self {
            Self::Identity | Self::BlockStorage => "v3",
            Self::Image | Self::LoadBalancer => "v2",
            Self::Compute => "v2.1",
            Self::Network => "v2.0",
        }
    }

    /// The API's root below an endpoint of the catalog: the version is appended unless the path has one.
    /// Cinder before its Yoga release knows no paths without the project, so that is appended too.
    pub(crate) fn root(self, endpoint: &str, project_id: Option<&str>) -> Option<Url> {
        let mut url = Url::parse(endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let versioned = url
            .path_segments()
            .is_some_and(|mut segments| segments.any(is_version));
        {
            let mut path = url.path_segments_mut().ok()?;
            path.pop_if_empty();
            if !versioned {
                path.push(self.version());
            }
        }
        let bare = url
            .path_segments()
            .and_then(|mut segments| segments.next_back())
            .is_some_and(is_version);
        if let (Self::BlockStorage, true, Some(project)) = (self, bare, project_id) {
            url.path_segments_mut().ok()?.push(project);
        }
        Some(url)
    }
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.chars().all(|part| part.is_ascii_digit() || part == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_appended_only_to_endpoints_without_one() {
        for (service, endpoint, root) in [
            (Service::Network, "http://h:9696", "http://h:9696/v2.0"),
            (
                Service::Network,
                "http://h/networking/v2.0/",
                "http://h/networking/v2.0",
            ),
            (
                Service::LoadBalancer,
                "http://h/load-balancer",
                "http://h/load-balancer/v2",
            ),
            (Service::LoadBalancer, "http://h:9876/v2.0", "http://h:9876/v2.0"),
            (Service::Image, "https://h/image/", "https://h/image/v2"),
            (Service::Compute, "http://h/compute/v2.1", "http://h/compute/v2.1"),
            (Service::Compute, "http://h:8774/v2.1/p", "http://h:8774/v2.1/p"),
            (Service::Identity, "http://h/identity", "http://h/identity/v3"),
            (
                Service::BlockStorage,
                "http://h/volume/v3",
                "http://h/volume/v3/p",
            ),
            (
                Service::BlockStorage,
                "http://h/volume/v3/p",
                "http://h/volume/v3/p",
            ),
            (Service::BlockStorage, "http://h/vault", "http://h/vault/v3/p"),
        ] {
            assert_eq!(
                service.root(endpoint, Some("p")).map(String::from).as_deref(),
                Some(root)
            );
        }
        assert!(Service::Image.root("ftp://h", None).is_none());
    }
}
