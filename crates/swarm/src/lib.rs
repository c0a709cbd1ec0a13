//! The Docker Swarm driver: clusters whose nodes run Docker in its swarm mode.
//!
//! Managers and workers are Nova servers of an image that has Docker and cloud-init; nothing is installed on
//! them. Every address is known before the first boot, because ports and floating IPs come first, so that the
//! certificates in the user-data are complete. A node fetches its join token from a manager over mutual
//! TLS: tokens are in no user-data and in no store.
//!
//! The driver has no state: the graph, the user-data and the expected nodes follow from what is asked.

mod check;
mod graph;
mod leave;
mod options;
mod security;
mod userdata;

#[cfg(test)]
mod programs;

use async_trait::async_trait;
use jeroboam_driver::{
    Access, Ask, Departure, Driver, DriverError, Graph, Health, Invalid, LabelSpec, Leaving, Made, NodeAsk,
    Provides, Report,
};
use jeroboam_types::{Coe, NodeGroup, ServerType, TrustStage};
use secrecy::SecretString;

use crate::options::Options;

/// TCP port where managers hand out join tokens.
pub const JOIN_PORT: u16 = 2378;

/// TCP port of Docker's API when the template names none.
pub const API_PORT: u16 = 2376;

/// Builds swarms of virtual machines, whatever the image's `os_distro`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SwarmDriver;

const PROVIDES: &[Provides] = &[
    Provides {
        server_type: ServerType::Vm,
        os: None,
        coe: Coe::Swarm,
    },
    Provides {
        server_type: ServerType::Vm,
        os: None,
        coe: Coe::SwarmMode,
    },
];

#[async_trait]
impl Driver for SwarmDriver {
    fn name(&self) -> &'static str {
        "swarm"
    }

    fn provides(&self) -> &'static [Provides] {
        PROVIDES
    }

    fn labels(&self) -> &'static [LabelSpec] {
        options::labels::ALL
    }

    fn validate(&self, ask: &Ask) -> Result<(), Invalid> {
        Options::parse(ask).map(drop)
    }

    fn graph(&self, ask: &Ask) -> Result<Graph, DriverError> {
        Ok(graph::graph(ask, &Options::parse(ask)?)?)
    }

    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        userdata::user_data(node, &Options::parse(node.ask)?)
    }

    fn fetches_secrets(&self, ask: &Ask) -> bool {
        // What cannot be parsed is refused before a node is made of it.
        Options::parse(ask).is_ok_and(|options| !options.plain_user_data)
    }

    fn secrets(&self, node: &NodeAsk<'_>) -> Result<SecretString, DriverError> {
        userdata::secrets(node, &Options::parse(node.ask)?)
    }

    /// `tcp://<address>:<port>`: the load balancer's floating IP, else its VIP, else the first manager's
    /// floating IP, else its fixed IP.
    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        let options = Options::parse(ask).ok()?;
        let address = jeroboam_blueprint::graph::public_address(ask, &options.network, made)?;
        Some(format!("tcp://{address}:{}", options.api_port))
    }

    async fn check(&self, ask: &Ask, access: &Access) -> Report {
        check::check(ask, access).await
    }

    async fn health(&self, ask: &Ask, access: &Access) -> Health {
        check::health(ask, access).await
    }

    /// A swarm's managers know each other by what their own disks hold, so the last of them cannot be replaced.
    fn validate_upgrade(&self, ask: &Ask) -> Result<(), Invalid> {
        jeroboam_blueprint::NetworkOptions::check_surge(
            ask,
            jeroboam_blueprint::Entrance::balanced_or_first(ask),
        )?;
        let mut alone = ask.groups.iter().filter(|group| group.is_master());
        match alone.find(|group| group.node_count == 1 && !group.is_uniform()) {
            Some(group) => Err(Invalid::new(
                "nodegroup",
                jeroboam_blueprint::nodes::alone(group, "manager"),
            )),
            None => Ok(()),
        }
    }

    /// Managers go and come back, so what holds for an upgrade holds for a rotation.
    fn validate_rotation(&self, ask: &Ask) -> Result<(), Invalid> {
        self.validate_upgrade(ask)
    }

    /// Workers see certificates of managers only when they join, so each is replaced once, when all managers show new
    /// ones and still take old ones.
    fn trust_of(&self, group: &NodeGroup, stage: TrustStage) -> TrustStage {
        match (group.is_master(), stage.is_settled(), stage.is_overlap_of_new()) {
            (true, ..) | (false, true, _) => stage,
            (false, false, true) => stage.next(),
            (false, false, false) => stage.previous(),
        }
    }

    async fn leave(&self, ask: &Ask, access: &Access, node: &Leaving<'_>) -> Departure {
        leave::leave(ask, access, node).await
    }
}
