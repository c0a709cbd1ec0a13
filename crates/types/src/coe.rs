//! Container orchestration engines and kinds of server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A container orchestration engine that a template may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Coe {
    /// `kubernetes`
    #[serde(rename = "kubernetes")]
    Kubernetes,
    /// `swarm`: an old name of Docker's swarm mode here (stand-alone Swarm no longer exists).
    #[serde(rename = "swarm")]
    Swarm,
    /// `swarm-mode`
    #[serde(rename = "swarm-mode")]
    SwarmMode,
    /// `mesos`
    #[serde(rename = "mesos")]
    Mesos,
}

impl Coe {
    /// Every COE.
    pub const ALL: &[Coe] = &[Self::Kubernetes, Self::Swarm, Self::SwarmMode, Self::Mesos];

    /// The COE as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Swarm => "swarm",
            Self::SwarmMode => "swarm-mode",
            Self::Mesos => "mesos",
        }
    }
}

impl fmt::Display for Coe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Coe {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .copied()
            .find(|coe| coe.as_str() == text)
            .ok_or(())
    }
}

/// Virtual machine or bare metal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerType {
    /// `vm`
    #[default]
    Vm,
    /// `bm`
    Bm,
}

impl ServerType {
    /// The kind as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::Bm => "bm",
        }
    }
}
