//! Rotation of a cluster's certificate authorities: which generations of them are trusted, and which one signs.
//!
//! Nothing may be signed by an authority that somebody who sees it does not trust yet, and none may be forgotten
//! while something of it is still shown. So a rotation has three stages, each of which replaces nodes: all trust the
//! next generation too; the next one signs; the last one is forgotten. What is written are the nodes' revisions, of
//! which the stage is a part, and [`advance`] says from them alone what comes next.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{NodeGroup, NodesSeen, Revision, Roll};

/// Stages of a rotation.
const STAGES: u32 = 3;

/// How many stages of rotations were begun since the cluster was created: three make a rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrustStage(pub u32);

impl TrustStage {
    /// The generation of authorities that signs; the first one is 0.
    pub fn signing(self) -> u32 {
        self.0.saturating_add(1) / STAGES
    }

    /// The generations that are trusted: one, or during a rotation two.
    pub fn trusted(self) -> RangeInclusive<u32> {
        let oldest = self.0 / STAGES;
        oldest..=oldest + u32::from(!self.is_settled())
    }

    /// True while no rotation is under way, and in the last stage of one.
    pub fn is_settled(self) -> bool {
        self.0.is_multiple_of(STAGES)
    }

    /// True once a rotation's next generation signs and the last one is still trusted.
    pub fn is_overlap_of_new(self) -> bool {
        self.0 % STAGES == 2
    }

    /// The stage after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The stage before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// True for a cluster whose authorities are the first ones.
    pub fn is_first(&self) -> bool {
        self.0 == 0
    }
}

impl NodeGroup {
    /// The stage that new nodes of the group are of.
    pub fn trust(&self) -> TrustStage {
        self.roll
            .as_ref()
            .map_or(TrustStage::default(), |roll| roll.target.trust)
    }

    /// Begins to replace nodes by such of a stage, or takes up what was stopped. `present` is what the group's nodes
    /// are made of if it never had a roll. A tenth of the workers is replaced at once.
    pub fn begin_rotation(&mut self, present: Revision, trust: TrustStage, seen: &NodesSeen) {
        let before = self.roll.take().unwrap_or_else(|| Roll::standing(present));
        let target = Revision {
            trust,
            ..before.target.clone()
        };
        let source = before.source.clone();
        let tenth = u32::try_from(self.node_count).unwrap_or(0).div_ceil(10);
        self.reroll(&before, target, source, tenth, seen);
    }

    /// True when nodes of the group are to become something else than what a rotation makes of them.
    pub fn is_upgrading(&self) -> bool {
        let made_else = |roll: &Roll| {
            let mut behind = roll.behind.values();
            behind.any(|revision| {
                let same_trust = Revision {
                    trust: roll.target.trust,
                    ..revision.clone()
                };
                same_trust != roll.target
            })
        };
        self.roll.as_ref().is_some_and(made_else)
    }
}

/// The stage that a cluster is in: that of its control plane.
pub fn stage_of(groups: &[NodeGroup]) -> TrustStage {
    let masters = groups.iter().filter(|group| group.is_master());
    masters.map(NodeGroup::trust).max().unwrap_or_default()
}

/// True when a rotation was begun and is not done, whether it goes on or was stopped.
pub fn is_rotating(groups: &[NodeGroup]) -> bool {
    let stage = stage_of(groups);
    let is_behind = |group: &NodeGroup| {
        let roll = group.roll.iter();
        let mut behind = roll.flat_map(|roll| roll.behind.values());
        behind.any(|revision| revision.trust < stage)
    };
    !stage.is_settled() || groups.iter().any(is_behind)
}

/// The groups as the next stage wants them, now that all of the present one is there; `None` when no rotation is
/// under way, or something else is not done yet. `wanted` says of which stage a group's nodes must be in one.
pub fn advance(
    groups: &[NodeGroup],
    wanted: impl Fn(&NodeGroup, TrustStage) -> TrustStage,
) -> Option<Vec<NodeGroup>> {
    let stage = stage_of(groups);
    let staying = || groups.iter().filter(|group| !group.is_leaving());
    let is_done = |group: &NodeGroup| {
        let roll = group.roll.as_ref();
        roll.is_none_or(|roll| roll.is_done() && !roll.stopped)
    };
    if stage.is_settled() || !staying().all(is_done) {
        return None;
    }
    let mut changed = Vec::new();
    for group in staying() {
        let trust = wanted(group, stage.next());
        let Some(roll) = group.roll.as_ref().filter(|_| trust != group.trust()) else {
            continue;
        };
        let nodes: BTreeSet<u32> = group.nodes.iter().copied().collect();
        let seen = NodesSeen {
            taken: nodes.clone(),
            ready: nodes,
        };
        let mut next = group.clone();
        next.begin_rotation(roll.target.clone(), trust, &seen);
        changed.push(next);
    }
    Some(changed)
}

#[cfg(test)]
mod tests;
