//! The ledger: what was made, or is about to be, for one cluster. An entry is written before the first call to
//! a cloud and removed only when the resource is known to be gone, so that nothing can be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use jeroboam_driver::graph::{Made, MadeResource};
use jeroboam_driver::{Key, Spec};
use jeroboam_types::{Fault, Millis, NodesSeen};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Life of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// About to be made: a call may or may not have reached the cloud.
    Intended,
    /// Known to exist, not ready yet.
    Made,
    /// Ready for those that need it.
    Ready,
    /// Given up, with a fault. It may exist.
    Failed,
    /// Being dropped. It may be gone.
    Dropping,
}

impl Phase {
    /// The phase as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Made => "made",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Dropping => "dropping",
        }
    }
}

/// A resource of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Name inside the cluster.
    pub key: Key,
    /// Name in the cloud: what it is found by when its id is not known.
    pub name: String,
    /// What it needs, and is therefore dropped before.
    pub needs: BTreeSet<Key>,
    /// Node group that it belongs to.
    pub group: Option<String>,
    /// What it is.
    pub spec: Spec,
    /// Where it stands.
    pub phase: Phase,
    /// Id in the cloud, once known.
    pub id: Option<String>,
    /// Facts that others need.
    pub facts: BTreeMap<String, Value>,
    /// Failed tries of the present phase.
    pub attempts: u32,
    /// Earliest moment of the next step.
    pub next_check: Millis,
    /// When the present phase runs out of its budget.
    pub give_up_at: Millis,
    /// When it was first intended, or when its drop began.
    pub started: Millis,
    /// When it became ready.
    pub finished: Option<Millis>,
    /// State that the cloud showed last, for people.
    pub seen: Option<String>,
    /// Fault of the last try.
    pub fault: Option<Fault>,
    /// When the call that makes it was last about to be sent.
    pub tried: Millis,
    /// True while the outcome of that call is not known: it must be looked for before it is sent again.
    pub uncertain: bool,
    /// True when it was made anew after an uncertain call: there may be two, and all but one must go.
    pub maybe_twice: bool,
    /// True when `Failed` speaks of its drop: it is not tried again until a delete is asked for anew.
    pub drop_failed: bool,
}

impl Entry {
    /// Cause of a failed resource.
    pub fn failure(&self) -> Option<Fault> {
        (self.phase == Phase::Failed).then(|| {
            self.fault.clone().unwrap_or_else(|| Fault {
                resource: self.key.to_string(),
                service: String::new(),
                message: "failed".to_owned(),
                request_id: None,
            })
        })
    }
}

/// Entries of one cluster.
pub type Ledger = BTreeMap<Key, Entry>;

/// Everything of a ledger that is ready, as drivers see it.
pub fn made(ledger: &Ledger) -> Made {
    Made(
        ledger
            .values()
            .filter(|entry| entry.phase == Phase::Ready)
            .map(|entry| {
                let id = entry.id.clone().unwrap_or_default();
                (
                    entry.key.clone(),
                    MadeResource {
                        id,
                        facts: entry.facts.clone(),
                    },
                )
            })
            .collect(),
    )
}

/// Number of the node that an entry was made for.
pub fn node_number(entry: &Entry) -> Option<u32> {
    number_in(entry.group.as_deref(), &entry.key, &entry.spec)
}

/// Number of the node that a resource of a group is made for: the names of a node's resources end in it. `None` for
/// what is shared by several nodes.
pub fn number_in(group: Option<&str>, key: &Key, spec: &Spec) -> Option<u32> {
    match (group, spec) {
        (None, _) | (_, Spec::ServerGroup { .. }) => None,
        (Some(_), _) => key.name().rsplit_once('-')?.1.parse().ok(),
    }
}

/// What a ledger knows of a node group's nodes.
pub fn nodes_seen(ledger: &Ledger, group: &str) -> NodesSeen {
    let mut seen = NodesSeen::default();
    for entry in ledger
        .values()
        .filter(|entry| entry.group.as_deref() == Some(group))
    {
        let Some(number) = node_number(entry) else {
            continue;
        };
        seen.taken.insert(number);
        if entry.phase == Phase::Ready && matches!(entry.spec, Spec::Server(_)) {
            seen.ready.insert(number);
        }
    }
    seen
}
