//! A pod network without an overlay: which addresses the pods of a node have.
//!
//! A node's range follows from the node's own address: the offset in the subnet is the number
//! of the range in the pool. So ranges never overlap, also when clusters share a subnet, nothing needs to be
//! allocated, and every node can tell where each pod is.

use std::net::Ipv4Addr;

use crate::Cidr;

/// Addresses of all pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodNetwork {
    /// The pool.
    pub pool: Cidr,
    /// Length of the prefix of one node's range.
    pub node_prefix_len: u8,
}

impl PodNetwork {
    /// Checks that there is a range for each address of the nodes' subnet.
    pub fn check_room(self, nodes: Cidr) -> Result<(), String> {
        let needed = u32::from(32 - nodes.prefix_len());
        let there = u32::from(self.node_prefix_len.saturating_sub(self.pool.prefix_len()));
        if there >= needed {
            return Ok(());
        }
        let fitting = u32::from(self.node_prefix_len).saturating_sub(needed);
        Err(format!(
            "{} has {} ranges of /{}, and each address of the nodes' subnet {nodes} needs one: a /{fitting} or larger",
            self.pool,
            1_u64 << there,
            self.node_prefix_len
        ))
    }

    /// Range of the node with this address. `None` when the pool has none for it.
    pub fn range_of(self, nodes: Cidr, node: Ipv4Addr) -> Option<Cidr> {
        let offset = u32::from(node).checked_sub(u32::from(nodes.address()))?;
        if u64::from(offset) >= 1_u64 << (32 - u32::from(nodes.prefix_len())) {
            return None;
        }
        let start = u64::from(u32::from(self.pool.address()))
            + (u64::from(offset) << (32 - u32::from(self.node_prefix_len)));
        let end =
            u64::from(u32::from(self.pool.address())) + (1_u64 << (32 - u32::from(self.pool.prefix_len())));
        let start = u32::try_from(start).ok().filter(|_| start < end)?;
        Cidr::parse(&format!("{}/{}", Ipv4Addr::from(start), self.node_prefix_len)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn every_node_has_a_range_of_its_own_in_the_pool() {
        let pods = PodNetwork {
            pool: cidr("10.100.0.0/16"),
            node_prefix_len: 24,
        };
        let nodes = cidr("10.0.0.0/24");
        pods.check_room(nodes).unwrap();
        let of = |last: u8| {
            pods.range_of(nodes, Ipv4Addr::new(10, 0, 0, last))
                .unwrap()
                .to_string()
        };
        assert_eq!(of(5), "10.100.5.0/24");
        assert_eq!(of(254), "10.100.254.0/24");
        assert_eq!(pods.range_of(nodes, Ipv4Addr::new(10, 0, 1, 5)), None);
        assert_eq!(pods.range_of(nodes, Ipv4Addr::new(9, 0, 0, 5)), None);
    }

    #[test]
    fn a_pool_that_is_too_small_is_refused_with_one_that_fits() {
        let pods = PodNetwork {
            pool: cidr("10.100.0.0/16"),
            node_prefix_len: 24,
        };
        let wrong = pods.check_room(cidr("10.0.0.0/22")).unwrap_err();
        assert!(
            wrong.contains("256 ranges of /24") && wrong.contains("a /14 or larger"),
            "{wrong}"
        );
        assert_eq!(
            pods.range_of(cidr("10.0.0.0/22"), Ipv4Addr::new(10, 0, 1, 0)),
            None
        );
        let pods = PodNetwork {
            node_prefix_len: 26,
            ..pods
        };
        pods.check_room(cidr("10.0.0.0/22")).unwrap();
        let last = pods
            .range_of(cidr("10.0.0.0/22"), Ipv4Addr::new(10, 0, 3, 255))
            .unwrap();
        assert_eq!(last.to_string(), "10.100.255.192/26");
    }
}
