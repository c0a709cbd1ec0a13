//! IPv4 networks in CIDR notation.

use std::net::Ipv4Addr;

/// An IPv4 network; the host bits of its address are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Cidr {
    /// Reads `a.b.c.d/n`. The error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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

    /// Length of the prefix in bits.
    pub(crate) fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Number of addresses for hosts: without the network's own and the broadcast address.
    pub(crate) fn hosts(self) -> u64 {
        (1_u64 << (32 - u32::from(self.prefix_len))).saturating_sub(2)
    }

    /// False for addresses that hosts cannot have: `0/8`, loopback, link-local, multicast and reserved ones.
    pub(crate) fn is_for_hosts(self) -> bool {
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
        assert_eq!(Cidr::parse("0.0.0.0/0").unwrap().hosts(), (1 << 32) - 2);
    }
}
