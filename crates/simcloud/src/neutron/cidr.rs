//! IPv4 prefixes and address ranges: arithmetic only.

use std::{fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

/// An IPv4 prefix whose host bits are zero, written `10.0.0.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    network: Ipv4Addr,
    prefix_len: u8,
}

impl Cidr {
    /// Reads `a.b.c.d/n`, zeroing the host bits; a bare address is a /32. `None` when it is not IPv4.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, length)) => (address, length.parse::<u8>().ok().filter(|length| *length <= 32)?),
            None => (text, 32),
        };
        let address: Ipv4Addr = address.parse().ok()?;
        Some(Self {
            network: Ipv4Addr::from(u32::from(address) & mask(prefix_len)),
            prefix_len,
        })
    }

    /// First address of the prefix.
    pub fn network(&self) -> Ipv4Addr {
        self.network
    }

    /// Number of leading bits, 0 to 32.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Last address of the prefix.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) | !mask(self.prefix_len))
    }

    /// True when the address lies inside.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix_len) == u32::from(self.network)
    }

    /// True when the two prefixes share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// Addresses that hosts may hold: without network and broadcast, except in /31 and /32.
    pub fn hosts(&self) -> AddressRange {
        let (first, last) = (u32::from(self.network), u32::from(self.broadcast()));
        if self.prefix_len >= 31 {
            AddressRange {
                start: self.network,
                end: self.broadcast(),
            }
        } else {
            AddressRange {
                start: Ipv4Addr::from(first + 1),
                end: Ipv4Addr::from(last - 1),
            }
        }
    }
}

fn mask(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.network, self.prefix_len)
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or_else(|| format!("{text} is not an IPv4 prefix"))
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

/// Addresses from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRange {
    /// First address.
    pub start: Ipv4Addr,
    /// Last address.
    pub end: Ipv4Addr,
}

impl AddressRange {
    /// True when the address lies inside.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.start..=self.end).contains(&address)
    }

    /// Every address, in order.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.start)..=u32::from(self.end)).map(Ipv4Addr::from)
    }

    /// The range without one address: none, one or two ranges.
    pub fn without(self, address: Ipv4Addr) -> Vec<Self> {
        if !self.contains(address) {
            return vec![self];
        }
        let middle = u32::from(address);
        let mut rest = Vec::new();
        if address > self.start {
            rest.push(Self {
                start: self.start,
                end: Ipv4Addr::from(middle - 1),
            });
        }
        if address < self.end {
            rest.push(Self {
                start: Ipv4Addr::from(middle + 1),
                end: self.end,
            });
        }
        rest
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_dropped_and_bounds_hold() {
        let cidr = Cidr::parse("10.0.0.77/24").unwrap();
        assert_eq!(cidr.to_string(), "10.0.0.0/24");
        assert_eq!(cidr.hosts().to_string(), "10.0.0.1-10.0.0.254");
        assert!(
            Cidr::parse("0.0.0.0/0")
                .unwrap()
                .contains(Ipv4Addr::new(200, 1, 1, 1))
        );
        assert_eq!(Cidr::parse("10.0.0.0/33"), None);
        assert_eq!(Cidr::parse("fd00::/8"), None);
    }

    #[test]
    fn a_gateway_in_the_middle_splits_the_pool() {
        let hosts = Cidr::parse("10.0.0.0/29").unwrap().hosts();
        let parts: Vec<String> = hosts
            .without(Ipv4Addr::new(10, 0, 0, 3))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(parts, ["10.0.0.1-10.0.0.2", "10.0.0.4-10.0.0.6"]);
    }
}
