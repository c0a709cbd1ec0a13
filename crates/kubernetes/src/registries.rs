//! Where containerd looks for images: registries without TLS, and mirrors of registries.
//!
//! Each registry has a directory of its own below containerd's `config_path`, which needs no restart.

use std::collections::BTreeMap;

use jeroboam_blueprint::read::{self, items};
use jeroboam_driver::Invalid;

/// Where image-builder's images have containerd's `config_path`.
const DIRECTORY: &str = "/etc/containerd/certs.d";

/// Stands for every registry that has no mirror of its own.
const ANY: &str = "*";

/// A mirror is asked first, then the registry itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// The registry as images name it, or `*`.
    registry: String,
    /// `http://host` or `https://host`, with port and path if it has them.
    url: String,
}

impl Mirror {
    /// Host and port.
    fn host(&self) -> &str {
        let (_, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        rest.split('/').next().unwrap_or(rest)
    }

    fn has_path(&self) -> bool {
        self.url
            .splitn(4, '/')
            .nth(3)
            .is_some_and(|path| !path.is_empty())
    }
}

/// Reads `registry=url` with commas between them. A registry may come several times: its mirrors are asked in turn.
pub(crate) fn mirrors(text: &str) -> Result<Vec<Mirror>, String> {
    let mirror = |item: &str| {
        let wrong = || format!("{item:?} is not a mirror such as docker.io=https://mirror.example.com");
        let (registry, url) = item.split_once('=').ok_or_else(wrong)?;
        let (registry, url) = (registry.trim(), url.trim().trim_end_matches('/'));
        let is_mirror = read::is_url(url, &["http", "https"]) && (registry == ANY || is_host(registry));
        match is_mirror {
            true => Ok(Mirror {
                registry: registry.to_owned(),
                url: url.to_owned(),
            }),
            false => Err(wrong()),
        }
    };
    items(text).map(mirror).collect()
}

/// Reads the field `insecure_registry`.
pub(crate) fn insecure(text: Option<&str>) -> Result<Vec<String>, Invalid> {
    let registries = read::registries(text)?;
    match registries.iter().find(|registry| !is_host(registry)) {
        Some(network) => {
            let reason =
                format!("{network:?} is a network: containerd knows registries by their names alone");
            Err(Invalid::new("insecure_registry", reason))
        }
        None => Ok(registries),
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    !host.is_empty()
        && !host.starts_with(['-', '.'])
        && !host.contains("..")
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Paths and contents of containerd's files.
pub(crate) fn files(insecure: &[String], mirrors: &[Mirror]) -> Vec<(String, String)> {
    let mut registries: BTreeMap<&str, Vec<&Mirror>> = BTreeMap::new();
    for mirror in mirrors {
        registries.entry(&mirror.registry).or_default().push(mirror);
    }
    for registry in insecure {
        registries.entry(registry).or_default();
    }
    let is_insecure = |host: &str| insecure.iter().any(|known| known == host);
    let file = |(registry, mirrors): (&str, Vec<&Mirror>)| {
        let mut text = String::new();
        if registry != ANY && !mirrors.is_empty() {
            text += &format!("server = \"{}\"\n", server(registry, is_insecure(registry)));
        }
        for mirror in mirrors {
            text += &host(&mirror.url, mirror.has_path(), is_insecure(mirror.host()));
        }
        if is_insecure(registry) {
            text += &host(&server(registry, true), false, true);
        }
        let directory = if registry == ANY { "_default" } else { registry };
        (format!("{DIRECTORY}/{directory}/hosts.toml"), text)
    };
    registries.into_iter().map(file).collect()
}

/// Where a registry is when no mirror has an image. Docker's own is not where its name says.
fn server(registry: &str, is_insecure: bool) -> String {
    match registry {
        "docker.io" => "https://registry-1.docker.io".to_owned(),
        _ if is_insecure => format!("http://{registry}"),
        _ => format!("https://{registry}"),
    }
}

fn host(url: &str, has_path: bool, is_insecure: bool) -> String {
    let mut text = format!("[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
    if has_path {
        text += "  override_path = true\n";
    }
    if is_insecure {
        text += "  skip_verify = true\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_before_the_registry_itself() {
        let mirrors = mirrors(
            "docker.io=https://mirror:5000, docker.io=http://other/v2/hub/,quay.io=https://mirror:5000,*=https://all",
        )
        .unwrap();
        let files = BTreeMap::from_iter(files(&["mirror:5000".into(), "plain".into()], &mirrors));
        let file = |name: &str| files[&format!("{DIRECTORY}/{name}/hosts.toml")].as_str();
        assert_eq!(
            file("docker.io"),
            "server = \"https://registry-1.docker.io\"\n\
             [host.\"https://mirror:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n  skip_verify = true\n\
             [host.\"http://other/v2/hub\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n"
        );
        assert!(file("quay.io").starts_with("server = \"https://quay.io\"\n"));
        assert_eq!(
            file("_default"),
            "[host.\"https://all\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        );
        assert_eq!(
            file("plain"),
            "[host.\"http://plain\"]\n  capabilities = [\"pull\", \"resolve\"]\n  skip_verify = true\n"
        );
        assert_eq!(files.len(), 5);
    }

    #[test]
    fn what_is_no_mirror_is_refused() {
        for wrong in [
            "docker.io",
            "docker.io=mirror",
            "docker.io=ftp://mirror",
            "docker.io=https://user:secret@mirror",
            "../etc=https://mirror",
            "=https://mirror",
            "docker.io=https://mirror/\"x",
        ] {
            assert!(mirrors(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            insecure(Some("10.0.0.0/8")).unwrap_err().field,
            "insecure_registry"
        );
        assert_eq!(
            insecure(Some("registry:5000, other")).unwrap(),
            ["registry:5000", "other"]
        );
    }
}
