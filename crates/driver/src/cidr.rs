//! IPv4 networks in CIDR notation.

use std::net::Ipv4Addr;

/// An IPv4 network; the host bits of its address are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Cidr {
    /// Reads `a.b.c.d/n`. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an IPv4 network such as 10.0.0.0/24");
        let (address, prefix_len) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let prefix_len = prefix_len
            .parse()
            .ok()
            .filter(|len| *len <= 32)
            .ok_or_else(wrong)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
        let network = Ipv4Addr::from(u32::from(address) & mask);
        if network != address {
            return Err(format!(
                "{text:?} has host bits set: the network is {network}/{prefix_len}"
            ));
        }
        Ok(Self { address, prefix_len })
    }

    /// The same of an address alone, which is a network of one, and with host bits, which do not count.
    pub fn parse_loosely(text: &str) -> Result<Self, String> {
        let (address, prefix_len) = text.split_once('/').unwrap_or((text, "32"));
        let within = |address: Ipv4Addr, len: u32| {
            let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & mask)
        };
        match (address.parse(), prefix_len.parse()) {
            (Ok(address), Ok(len @ 0..=32)) => Self::parse(&format!("{}/{len}", within(address, len))),
            _ => Self::parse(text),
        }
    }

    /// First address.
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    /// True when the networks have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        let shorter = self.prefix_len.min(other.prefix_len);
        let mask = u32::MAX.checked_shl(32 - u32::from(shorter)).unwrap_or(0);
        (u32::from(self.address) ^ u32::from(other.address)) & mask == 0
    }

    /// The address at an offset from the first; `None` outside of the network.
    pub fn at(self, offset: u32) -> Option<Ipv4Addr> {
        let size = 1_u64 << (32 - u32::from(self.prefix_len));
        (u64::from(offset) < size).then(|| Ipv4Addr::from(u32::from(self.address).wrapping_add(offset)))
    }

    /// Length of the prefix in bits.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Number of addresses for hosts: without the network's own and the broadcast address.
    pub fn hosts(self) -> u64 {
        (1_u64 << (32 - u32::from(self.prefix_len))).saturating_sub(2)
    }

    /// False for addresses that hosts cannot have: `0/8`, loopback, link-local, multicast and reserved ones.
    pub fn is_for_hosts(self) -> bool {
        let first = self.address.octets()[0];
        first != 0 && first < 224 && !self.address.is_loopback() && !self.address.is_link_local()
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_share_an_address_overlap() {
        let cidr = |text: &str| Cidr::parse(text).unwrap();
        assert!(cidr("10.0.0.0/8").overlaps(cidr("10.100.0.0/16")));
        assert!(cidr("10.100.0.0/16").overlaps(cidr("0.0.0.0/0")));
        assert!(!cidr("10.0.0.0/24").overlaps(cidr("10.0.1.0/24")));
        assert_eq!(cidr("10.0.1.0/24").at(10), Some(Ipv4Addr::new(10, 0, 1, 10)));
        assert_eq!(cidr("10.0.1.0/24").at(256), None);
    }

    #[test]
    fn only_networks_are_read() {
        let cidr = Cidr::parse("10.0.0.0/24").unwrap();
        assert_eq!(
            (cidr.to_string().as_str(), cidr.hosts(), cidr.is_for_hosts()),
            ("10.0.0.0/24", 254, true)
        );
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0/24", "::/64", "10.0.0.1/24", ""] {
            assert!(Cidr::parse(wrong).is_err(), "{wrong}");
        }
        assert!(!Cidr::parse("224.0.0.0/16").unwrap().is_for_hosts());
        let loosely = |text: &str| Cidr::parse_loosely(text).map(|cidr| cidr.to_string());
        assert_eq!(loosely("10.0.0.9/24").unwrap(), "10.0.0.0/24");
        assert_eq!(loosely("10.0.0.9").unwrap(), "10.0.0.9/32");
        assert_eq!(loosely("10.0.0.9/0").unwrap(), "0.0.0.0/0");
        assert!(loosely("10.0.0.9/33").is_err() && loosely("::1").is_err());
        assert_eq!(Cidr::parse("0.0.0.0/0").unwrap().hosts(), (1 << 32) - 2);
    }
}
