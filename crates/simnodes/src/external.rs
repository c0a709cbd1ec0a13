//! A subnet for the external network that leads nowhere else from this machine.

use std::net::Ipv4Addr;

use crate::cidr::Cidr;
use crate::error::Error;

/// External subnet, as address and prefix length, that does not collide with this machine's routes.
///
/// Prefers 203.0.113.0/24 (documentation, RFC 5737), then takes the networks of 198.18.0.0/15 (benchmarks
/// between private machines, RFC 2544): addresses that no real peer of this machine has. The root network
/// namespace gets the first host address on one interface once a network with this subnet is applied. Ask after
/// [`crate::Machines::open`], which takes away what a dead process of the same instance held.
///
/// # Errors
/// [`Error::NoFreeSubnet`] when every candidate collides.
pub fn free_external_subnet() -> Result<(Ipv4Addr, u8), Error> {
    let table = std::path::Path::new("/proc/net/route");
    let routes = std::fs::read_to_string(table).map_err(Error::file("read", table))?;
    choose(&taken(&routes)).ok_or(Error::NoFreeSubnet)
}

fn choose(taken: &[Cidr]) -> Option<(Ipv4Addr, u8)> {
    let documentation = std::iter::once(Ipv4Addr::new(203, 0, 113, 0));
    let benchmark =
        (18..=19).flat_map(|second| (0..=255).map(move |third| Ipv4Addr::new(198, second, third, 0)));
    documentation
        .chain(benchmark)
        .find(|network| !taken.iter().any(|route| route.overlaps(Cidr::new(*network, 24))))
        .map(|network| (network, 24))
}

/// Destinations of the routing table as the kernel prints it: little-endian hexadecimal words, destination in the
/// second column and mask in the eighth (proc(5)). The default route takes nothing.
fn taken(routes: &str) -> Vec<Cidr> {
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    let line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let destination = word(columns.get(1)?)?;
        let mask = word(columns.get(7)?)?;
        Some(Cidr::new(
            destination.into(),
            mask.leading_ones().try_into().ok()?,
        ))
    };
    routes
        .lines()
        .skip(1)
        .filter_map(line)
        .filter(|route| !route.is_everything())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";

    #[test]
    fn the_documentation_network_comes_first() {
        let routes = format!("{HEADER}eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n");
        assert_eq!(choose(&taken(&routes)), Some((Ipv4Addr::new(203, 0, 113, 0), 24)));
    }

    #[test]
    fn a_routed_network_is_passed_over() {
        // 203.0.113.0/24 and 198.18.0.0/16.
        let routes = format!(
            "{HEADER}jb-a 007100CB 00000000 0001 0 0 0 00FFFFFF 0 0 0\n\
             tun0 000012C6 00000000 0001 0 0 0 0000FFFF 0 0 0\n"
        );
        assert_eq!(choose(&taken(&routes)), Some((Ipv4Addr::new(198, 19, 0, 0), 24)));
    }

    #[test]
    fn no_candidate_is_left_when_all_is_routed() {
        assert_eq!(choose(&["128.0.0.0/1".parse().unwrap()]), None);
    }
}
