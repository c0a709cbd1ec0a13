//! Finds records by kind, and says who may see them.

use serde_json::Value;

use super::{Common, Kind, Neutron};
use crate::call::Caller;

impl Neutron {
    /// What all records have of one record.
    pub fn common(&self, kind: Kind, id: &str) -> Option<&Common> {
        match kind {
            Kind::Network => self.networks.get(id).map(|record| &record.common),
            Kind::Subnet => self.subnets.get(id).map(|record| &record.common),
            Kind::Router => self.routers.get(id).map(|record| &record.common),
            Kind::Port => self.ports.get(id).map(|record| &record.common),
            Kind::SecurityGroup => self.security_groups.get(id).map(|record| &record.common),
            Kind::SecurityGroupRule => self.security_group_rules.get(id).map(|record| &record.common),
            Kind::FloatingIp => self.floating_ips.get(id).map(|record| &record.common),
        }
    }

    pub(super) fn common_mut(&mut self, kind: Kind, id: &str) -> Option<&mut Common> {
        match kind {
            Kind::Network => self.networks.get_mut(id).map(|record| &mut record.common),
            Kind::Subnet => self.subnets.get_mut(id).map(|record| &mut record.common),
            Kind::Router => self.routers.get_mut(id).map(|record| &mut record.common),
            Kind::Port => self.ports.get_mut(id).map(|record| &mut record.common),
            Kind::SecurityGroup => self.security_groups.get_mut(id).map(|record| &mut record.common),
            Kind::SecurityGroupRule => self
                .security_group_rules
                .get_mut(id)
                .map(|record| &mut record.common),
            Kind::FloatingIp => self.floating_ips.get_mut(id).map(|record| &mut record.common),
        }
    }

    pub(super) fn commons(&self, kind: Kind) -> Vec<&Common> {
        match kind {
            Kind::Network => self.networks.values().map(|record| &record.common).collect(),
            Kind::Subnet => self.subnets.values().map(|record| &record.common).collect(),
            Kind::Router => self.routers.values().map(|record| &record.common).collect(),
            Kind::Port => self.ports.values().map(|record| &record.common).collect(),
            Kind::SecurityGroup => self
                .security_groups
                .values()
                .map(|record| &record.common)
                .collect(),
            Kind::SecurityGroupRule => self
                .security_group_rules
                .values()
                .map(|record| &record.common)
                .collect(),
            Kind::FloatingIp => self.floating_ips.values().map(|record| &record.common).collect(),
        }
    }

    /// True when the caller's project owns the record, or the caller is an administrator.
    pub(super) fn is_owner(&self, kind: Kind, id: &str, caller: &Caller) -> bool {
        caller.is_admin
            || self.common(kind, id).is_some_and(|common| {
                !common.project_id.is_empty() && Some(&common.project_id) == caller.project_id.as_ref()
            })
    }

    /// True when the caller may see the record: his own, shared and external networks with their subnets,
    /// and the ports of his networks.
    pub(super) fn is_visible(&self, kind: Kind, id: &str, caller: &Caller) -> bool {
        if self.is_owner(kind, id, caller) {
            return self.common(kind, id).is_some();
        }
        match kind {
            Kind::Network => self
                .networks
                .get(id)
                .is_some_and(|network| network.shared || network.is_external),
            Kind::Subnet => self.subnets.get(id).is_some_and(|subnet| {
                let network = self.networks.get(&subnet.network_id);
                network.is_some_and(|network| network.shared || network.is_external)
                    || self.is_owner(Kind::Network, &subnet.network_id, caller)
            }),
            Kind::Port => self
                .ports
                .get(id)
                .is_some_and(|port| self.is_owner(Kind::Network, &port.network_id, caller)),
            _ => false,
        }
    }

    /// The record as this caller sees it.
    pub(super) fn show(&self, kind: Kind, id: &str, is_admin: bool) -> Option<Value> {
        match kind {
            Kind::Network => self.networks.get(id).map(|record| record.render(self, is_admin)),
            Kind::Subnet => self.subnets.get(id).map(|record| record.render(self)),
            Kind::Router => self.routers.get(id).map(|record| record.render(self, is_admin)),
            Kind::Port => self.ports.get(id).map(|record| record.render(self, is_admin)),
            Kind::SecurityGroup => self.security_groups.get(id).map(|record| record.render(self)),
            Kind::SecurityGroupRule => self
                .security_group_rules
                .get(id)
                .map(|record| record.render(self)),
            Kind::FloatingIp => self.floating_ips.get(id).map(|record| record.render(self)),
        }
    }
}
