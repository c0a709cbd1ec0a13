//! Automatic replacement of nodes that are lost: which, when, and when rather not.
//!
//! What is remembered between two looks is a [`Memory`]; [`Memory::observe`] notes what is seen now, and
//! [`Memory::decide`] says what is to be replaced. Both are pure, and what they know is stored with the cluster, so
//! that no restart forgets how much was replaced already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Millis, NodeGroup, NodesSeen, Revision, Roll};

/// What an operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a node is given to come back by itself.
    pub patience: Duration,
    /// Most replacements in one cluster within the window; zero for none at all.
    pub most: u32,
    /// The window.
    pub window: Duration,
}

/// A node as it is seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name inside the cluster, such as `worker-1`.
    pub name: String,
    /// Its node group.
    pub group: String,
    /// Its number there.
    pub number: u32,
    /// What is wrong with it; `None` for one that is ready.
    pub lost: Option<Lost>,
}

/// What is wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// In words, such as `its server is SHUTOFF`.
    pub cause: String,
    /// True when it cannot come back by itself, because there is no server any more.
    pub for_good: bool,
}

/// What is remembered of a cluster between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Nodes that are not ready, by name, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, Millis>,
    /// When nodes were replaced, one for each, and when a replacement that failed was gone on with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Millis>,
    /// Id of the request that the last replacement was: it stays the same for all stages of a roll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What was seen of add-ons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_ons: Option<AddOns>,
}

/// What was seen of a cluster's add-ons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddOns {
    /// When they were looked at.
    pub looked: Millis,
    /// What was wrong with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Nodes to replace: either one of the control plane, or some workers.
    pub replace: Vec<Node>,
    /// Why others are not replaced although they are lost for long.
    pub paused: Option<String>,
}

/// One part in so many of a node group may be lost at once for its nodes to be replaced; more than that is no matter
/// of single nodes.
const PART: usize = 3;

impl Memory {
    /// Notes what is seen now, and forgets what no longer counts.
    pub fn observe(&mut self, nodes: &[Node], now: Millis, limits: &Limits) {
        let before = std::mem::take(&mut self.lost);
        self.lost = nodes
            .iter()
            .filter(|node| node.lost.is_some())
            .map(|node| (node.name.clone(), before.get(&node.name).copied().unwrap_or(now)))
            .collect();
        self.replaced.retain(|at| now.since(*at) < limits.window);
    }

    /// Which of the nodes are to be replaced now. `nodes` are all that there should be.
    pub fn decide(&self, groups: &[NodeGroup], nodes: &[Node], now: Millis, limits: &Limits) -> Decision {
        let is_due = |node: &&Node| {
            let since = self.lost.get(&node.name).copied().unwrap_or(now);
            let lost = node.lost.as_ref();
            lost.is_some_and(|lost| lost.for_good || now.since(since) >= limits.patience)
        };
        let due: Vec<&Node> = nodes.iter().filter(is_due).collect();
        if due.is_empty() {
            return Decision::default();
        }
        let paused = |why: String| Decision {
            replace: Vec::new(),
            paused: Some(why),
        };
        let left = usize::try_from(limits.most).unwrap_or(usize::MAX);
        let left = left.saturating_sub(self.replaced.len());
        if left == 0 {
            let minutes = limits.window.as_secs() / 60;
            return paused(format!(
                "paused: {} nodes were replaced within {minutes} minutes, and more are lost",
                self.replaced.len()
            ));
        }
        let is_master = |node: &Node| {
            let mut groups = groups.iter().filter(|group| group.name == node.group);
            groups.any(NodeGroup::is_master)
        };
        let masters = || nodes.iter().filter(|node| is_master(node));
        let (all, standing) = (
            masters().count(),
            masters().filter(|node| node.lost.is_none()).count(),
        );
        if standing <= all / 2 {
            return paused(match all {
                1 => "paused: the only node of the control plane is lost".to_owned(),
                _ => format!(
                    "paused: {standing} of {all} nodes of the control plane are left, which is no majority"
                ),
            });
        }
        if let Some(master) = due.iter().find(|node| is_master(node)) {
            return Decision {
                replace: vec![(*master).clone()],
                paused: None,
            };
        }
        let mut decision = Decision::default();
        for group in groups {
            let of_group = || nodes.iter().filter(|node| node.group == group.name);
            let (all, lost) = (
                of_group().count(),
                of_group().filter(|node| node.lost.is_some()).count(),
            );
            let mut due = due.iter().filter(|node| node.group == group.name).peekable();
            if due.peek().is_some() && lost > (all / PART).max(1) {
                decision.paused = Some(format!(
                    "paused: {lost} of {all} nodes of {} are lost at once",
                    group.name
                ));
                continue;
            }
            let free = left.saturating_sub(decision.replace.len());
            decision
                .replace
                .extend(due.take(free).map(|node| (*node).clone()));
        }
        decision
    }

    /// True when a replacement that failed may be gone on with: not at once, and no more often than nodes are replaced.
    pub fn may_go_on(&self, now: Millis, limits: &Limits) -> bool {
        let is_soon = |last: &Millis| now.since(*last) < limits.patience;
        usize::try_from(limits.most).is_ok_and(|most| self.replaced.len() < most)
            && !self.replaced.last().is_some_and(is_soon)
    }

    /// Notes that nodes are replaced by a request; of no nodes, that one is gone on with.
    pub fn replaced(&mut self, nodes: &[Node], request_id: &str, now: Millis) {
        for node in nodes {
            self.lost.remove(&node.name);
        }
        self.replaced.extend(vec![now; nodes.len().max(1)]);
        self.request_id = Some(request_id.to_owned());
    }
}

impl NodeGroup {
    /// Replaces lost nodes: workers by some of other numbers, one of the control plane by a new machine of the same
    /// number and addresses. `present` is what the group's nodes are made of if it was never upgraded.
    pub fn replace(&mut self, lost: &BTreeSet<u32>, present: Revision, seen: &NodesSeen) {
        if self.is_master() {
            let roll = self.roll.get_or_insert_with(|| Roll::standing(present));
            roll.out.extend(lost);
        } else {
            self.resize(self.node_count, lost, seen);
        }
    }
}

#[cfg(test)]
mod tests;
