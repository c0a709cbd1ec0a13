//! A subnet for the external network that leads nowhere else from this machine.
//!
//! A route to it hides whoever else has an address in it, even behind the default route. So what this machine
//! speaks with now is looked at besides its routes.

use std::net::Ipv4Addr;

use crate::cidr::Cidr;
use crate::error::Error;

/// External subnet, as address and prefix length, that collides neither with this machine's routes nor with
/// the peers of its connections.
///
/// One of 198.18.0.0/15: addresses set aside for benchmarks between private machines (RFC 2544). The root network
/// namespace gets the first host address on one interface once a network with this subnet is applied. Ask after
/// [`crate::Machines::open`], which takes away what a dead process of the same instance held.
///
/// # Errors
/// [`Error::NoFreeSubnet`] when every candidate collides.
pub fn free_external_subnet() -> Result<(Ipv4Addr, u8), Error> {
    let read = |table: &'static str| {
        let table = std::path::Path::new(table);
        std::fs::read_to_string(table).map_err(Error::file("read", table))
    };
    let mut taken = taken(&read("/proc/net/route")?);
    taken.extend(peers(&read("/proc/net/tcp")?));
    choose(&taken).ok_or(Error::NoFreeSubnet)
}

fn choose(taken: &[Cidr]) -> Option<(Ipv4Addr, u8)> {
    (18..=19)
        .flat_map(|second| (0..=255).map(move |third| Ipv4Addr::new(198, second, third, 0)))
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

/// Remote addresses of connections as the kernel prints them: little-endian `address:port` in the third column
/// (proc(5)).
fn peers(connections: &str) -> Vec<Cidr> {
    let peer = |line: &str| {
        let (address, _) = line.split_whitespace().nth(2)?.split_once(':')?;
        let address = u32::from_str_radix(address, 16).ok()?.swap_bytes();
        Some(Cidr::new(address.into(), 32))
    };
    connections.lines().skip(1).filter_map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";

    #[test]
    fn the_first_network_is_taken_when_nothing_is_in_the_way() {
        let routes = format!("{HEADER}eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n");
        assert_eq!(choose(&taken(&routes)), Some((Ipv4Addr::new(198, 18, 0, 0), 24)));
    }

    #[test]
    fn a_routed_network_is_passed_over() {
        // 198.18.0.0/16.
        let routes = format!(
            "{HEADER}\
             tun0 000012C6 00000000 0001 0 0 0 0000FFFF 0 0 0\n"
        );
        assert_eq!(choose(&taken(&routes)), Some((Ipv4Addr::new(198, 19, 0, 0), 24)));
    }

    #[test]
    fn the_network_of_a_peer_is_passed_over() {
        let connections = "sl local_address rem_address st\n 0: 0100007F:0050 500012C6:01BB 01\n";
        assert_eq!(
            choose(&peers(connections)),
            Some((Ipv4Addr::new(198, 18, 1, 0), 24))
        );
    }

    #[test]
    fn no_candidate_is_left_when_all_is_routed() {
        assert_eq!(choose(&["128.0.0.0/1".parse().unwrap()]), None);
    }
}
