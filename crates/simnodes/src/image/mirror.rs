//! Which Debian mirror this machine uses itself: often nearer, and the only one that a closed network can reach.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Domain of Debian's own hosts.
const DEBIAN: &str = "debian.org";

/// Base URI of a mirror of Debian's archive from the APT sources; `None` leaves the choice to debootstrap.
pub(super) fn of_this_machine() -> Option<String> {
    let mut sources = String::new();
    let mut files = vec![Path::new("/etc/apt/sources.list").to_owned()];
    if let Ok(directory) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(directory.flatten().map(|entry| entry.path()));
    }
    files.retain(|file| {
        file.extension()
            .is_some_and(|end| end == "list" || end == "sources")
    });
    for file in files {
        sources.push_str(&fs::read_to_string(file).unwrap_or_default());
        sources.push_str("\n\n");
    }
    find(&sources)
}

/// Finds the mirror in sources of either format (one line per source, or deb822 stanzas; sources.list(5)).
///
/// Many other archives end in `/debian` too. Debian's own is told by its host, or by having update suites.
fn find(sources: &str) -> Option<String> {
    let mut suites: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut order = Vec::new();
    for (uri, suite) in entries(sources) {
        if !suites.contains_key(&uri) {
            order.push(uri.clone());
        }
        suites.entry(uri).or_default().push(suite);
    }
    order.into_iter().find(|uri| {
        let Some((_, rest)) = uri.split_once("://") else {
            return false;
        };
        let host = rest.split('/').next().unwrap_or_default();
        let debian = host
            .strip_suffix(DEBIAN)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let has_updates = suites
            .get(uri)
            .is_some_and(|suites| suites.iter().any(|s| s.ends_with("-updates")));
        uri.starts_with("http") && rest.ends_with("/debian") && (debian || has_updates)
    })
}

fn entries(sources: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let tidy = |uri: &str| uri.trim_end_matches('/').to_owned();
    for stanza in sources.split("\n\n") {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')))
        };
        if let (Some(uris), Some(suites)) = (field("URIs"), field("Suites")) {
            let enabled = field("Enabled").is_none_or(|value| value.trim() != "no");
            for uri in uris.split_whitespace().filter(|_| enabled) {
                found.extend(
                    suites
                        .split_whitespace()
                        .map(|suite| (tidy(uri), suite.to_owned())),
                );
            }
        }
        for line in stanza.lines() {
            let Some(rest) = line.trim().strip_prefix("deb ") else {
                continue;
            };
            // Options in brackets may hold spaces.
            let rest = rest.trim_start();
            let rest = if rest.starts_with('[') {
                rest.split_once(']').map_or("", |(_, r)| r)
            } else {
                rest
            };
            let mut words = rest.split_whitespace();
            if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
                found.push((tidy(uri), suite.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debian_mirror_is_told_from_other_archives() {
        let sources = "\
deb [arch=amd64 signed-by=/etc/keys/x.gpg] https://download.example.com/linux/debian bookworm stable
deb http://security.example.net/debian-security bookworm-security main

Types: deb
URIs: http://mirror.example.net/debian/
Suites: bookworm bookworm-updates
Components: main
";
        assert_eq!(find(sources).as_deref(), Some("http://mirror.example.net/debian"));
    }

    #[test]
    fn a_machine_of_another_distribution_has_none() {
        assert_eq!(find("deb http://archive.example.org/ubuntu noble main\n"), None);
        let off = format!("Types: deb\nURIs: http://ftp.{DEBIAN}/debian\nSuites: bookworm\nEnabled: no\n");
        assert_eq!(find(&off), None);
    }

    #[test]
    fn the_default_mirror_is_found_in_the_old_format() {
        let mirror = format!("http://ftp.{DEBIAN}/debian");
        let sources = format!("# comment\ndeb {mirror} bookworm main\n");
        assert_eq!(find(&sources), Some(mirror));
    }
}
