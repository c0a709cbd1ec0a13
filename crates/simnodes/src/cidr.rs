//! IPv4 prefixes: parsing, containment, and sets without overlaps.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 prefix; host bits are always zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cidr {
    network: u32,
    prefix_len: u8,
}

impl Cidr {
    /// The prefix of that length around an address; lengths over 32 mean a single address.
    pub(crate) fn new(address: Ipv4Addr, prefix_len: u8) -> Self {
        let prefix_len = prefix_len.min(32);
        Self {
            network: u32::from(address) & mask(prefix_len),
            prefix_len,
        }
    }

    /// True when the address lies within.
    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix_len) == self.network
    }

    /// True when the two have an address in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        let shorter = mask(self.prefix_len.min(other.prefix_len));
        self.network & shorter == other.network & shorter
    }

    /// True for `0.0.0.0/0`.
    pub(crate) fn is_everything(self) -> bool {
        self.prefix_len == 0
    }

    /// Drops every prefix that lies within another: nftables refuses sets whose intervals overlap.
    pub(crate) fn disjoint(prefixes: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut prefixes: Vec<Self> = prefixes.into_iter().collect();
        prefixes.sort_by_key(|prefix| (prefix.prefix_len, prefix.network));
        let mut kept: Vec<Self> = Vec::new();
        for prefix in prefixes {
            if !kept.iter().any(|wider| wider.overlaps(prefix)) {
                kept.push(prefix);
            }
        }
        kept
    }
}

fn mask(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix_len) = text.split_once('/').unwrap_or((text, "32"));
        let prefix_len: u8 = prefix_len.parse().map_err(drop)?;
        if prefix_len > 32 {
            return Err(());
        }
        Ok(Self::new(address.parse().map_err(drop)?, prefix_len))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.network), self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_are_dropped_and_a_plain_address_is_one_host() {
        assert_eq!(cidr("10.1.2.3/16").to_string(), "10.1.0.0/16");
        assert_eq!(cidr("10.1.2.3").to_string(), "10.1.2.3/32");
        for bad in ["10.1.2.3/33", "::/0", "10.1.2", ""] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn overlap_is_containment_one_way_or_the_other() {
        assert!(cidr("0.0.0.0/0").overlaps(cidr("192.0.2.7")));
        assert!(cidr("192.0.2.7").overlaps(cidr("192.0.2.0/24")));
        assert!(!cidr("192.0.2.0/25").overlaps(cidr("192.0.2.128/25")));
        assert!(cidr("10.0.0.0/8").contains(Ipv4Addr::new(10, 255, 0, 1)));
    }

    #[test]
    fn a_disjoint_set_keeps_the_widest_prefixes() {
        let kept = Cidr::disjoint(["10.0.0.5/32", "10.0.0.0/24", "10.0.0.5", "10.1.0.0/24"].map(cidr));
        assert_eq!(kept, [cidr("10.0.0.0/24"), cidr("10.1.0.0/24")]);
    }
}
