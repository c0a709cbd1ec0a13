//! Single values of templates and labels, from text.

use std::net::Ipv4Addr;
use std::str::FromStr;

use jeroboam_driver::{Ask, Cidr, Invalid};
use jeroboam_types::NodeGroup;
use jeroboam_types::labels::loose_bool;

/// Reads a label of a group or the cluster; `None` without it.
///
/// # Errors
/// What `read` says is wrong, under the label's name.
pub fn label<T>(
    ask: &Ask,
    group: Option<&NodeGroup>,
    key: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Invalid> {
    ask.label(group, key)
        .map(read)
        .transpose()
        .map_err(|reason| Invalid::new(format!("labels.{key}"), reason))
}

/// Reads one of Magnum's loose booleans.
pub fn boolean(text: &str) -> Result<bool, String> {
    loose_bool(text).ok_or_else(|| format!("{text:?} is not true or false"))
}

/// Reads an amount of GiB.
pub fn number(text: &str) -> Result<u32, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is not a whole number of GiB"))
}

/// Reads a name that goes to a cloud service as it is.
pub fn word(text: &str) -> Result<String, String> {
    if text.len() > 255 || text.chars().any(char::is_control) {
        return Err("must be at most 255 printable characters".into());
    }
    Ok(text.trim().to_owned())
}

/// Items of a comma list, without blanks around them.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Reads `80,8080-8090`.
pub fn port_ranges(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    items(text)
        .map(|item| {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            match (port(first), port(last)) {
                (Some(first), Some(last)) if first <= last => Ok((first, last)),
                _ => Err(format!(
                    "{item:?} is not a port or a range of ports such as 8080-8090"
                )),
            }
        })
        .collect()
}

/// Reads a comma list of IPv4 addresses.
pub fn name_servers(text: Option<&str>) -> Result<Vec<String>, Invalid> {
    items(text.unwrap_or_default())
        .map(|item| match Ipv4Addr::from_str(item) {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(Invalid::new(
                "dns_nameserver",
                format!("{item:?} is not an IPv4 address"),
            )),
        })
        .collect()
}

/// Reads a comma list of `host[:port]` and CIDRs, the two forms that container engines know.
pub fn registries(text: Option<&str>) -> Result<Vec<String>, Invalid> {
    items(text.unwrap_or_default())
        .map(|item| {
            let (host, port) = item.split_once(':').unwrap_or((item, "5000"));
            let is_host = !host.is_empty()
                && !host.starts_with(['-', '.'])
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
            if (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)) || Cidr::parse(item).is_ok() {
                return Ok(item.to_owned());
            }
            Err(Invalid::new(
                "insecure_registry",
                format!("{item:?} is not a host with or without a port"),
            ))
        })
        .collect()
}

/// Reads a proxy: a URL, or a host with or without a port, which stands for one with `http`.
pub fn proxy(field: &str, text: Option<&str>) -> Result<Option<String>, Invalid> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let whole = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let is_usable = reqwest::Url::parse(&whole).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host() && is_plain(text)
    });
    // The text may hold a password: it is not repeated.
    is_usable
        .then_some(Some(whole))
        .ok_or_else(|| Invalid::new(field, "is not a proxy such as http://proxy.example.com:3128"))
}

/// True for a URL of one of these schemes with a host, and without a user, a query and a fragment.
pub fn is_url(text: &str, schemes: &[&str]) -> bool {
    is_plain(text)
        && reqwest::Url::parse(text).is_ok_and(|url| {
            schemes.contains(&url.scheme())
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        })
}

/// Reads a comma list of what is reached without a proxy.
pub fn no_proxy(text: Option<&str>) -> Result<Vec<String>, Invalid> {
    items(text.unwrap_or_default())
        .map(|item| {
            if is_plain(item) {
                return Ok(item.to_owned());
            }
            Err(Invalid::new(
                "no_proxy",
                format!("{item:?} is not a host, a domain or a network"),
            ))
        })
        .collect()
}

/// True for texts that stay one word in a file of settings.
pub fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '`' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_url_or_a_host() {
        let read = |text: &str| proxy("http_proxy", Some(text)).map(Option::unwrap_or_default);
        for url in [
            "http://a:3128",
            "https://u:p@a.example",
            "socks5h://10.0.0.1:1080",
        ] {
            assert_eq!(read(url).unwrap(), url);
        }
        for host in [
            "proxy",
            "proxy.example.com:3128",
            "10.0.0.1:8080",
            "[2001:db8::1]:3128",
        ] {
            assert_eq!(read(host).unwrap(), format!("http://{host}"));
        }
        assert_eq!(read(" ").unwrap(), "");
        for wrong in [
            "ftp://proxy",
            "http://",
            "a b",
            "proxy:port",
            "proxy:70000",
            "$(id)",
            "'",
        ] {
            assert_eq!(read(wrong).unwrap_err().field, "http_proxy", "{wrong}");
        }
        let refused = read("ftp://user:secret@proxy").unwrap_err();
        assert!(!refused.reason.contains("secret"));
    }
}
