//! Rolling replacement: how the nodes of a group become what a newer revision says.
//!
//! A group has numbered nodes, and each is made of a revision. What is written says which nodes there are, which of
//! them are of an older revision, and which machines are away; [`advance`] says from that alone what is to be written
//! next. It is asked only when all that is written is there and ready, and nothing else: each advance is a wish like
//! a resize, and a crash between two of them loses nothing.
//!
//! Workers are surged: new nodes come first, in batches, and as many old ones go when those are ready. Before any
//! new node is known to be good a batch is of one, the canary. Nodes of the control plane keep their number, and
//! with it their addresses: one machine at a time goes and comes back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{NodeGroup, NodesSeen, TemplateId, TrustStage};

/// What nodes are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Glance image id.
    pub image_id: String,
    /// Nova flavor id.
    pub flavor_id: String,
    /// Version of the COE that the image has; `None` for a COE whose images do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Certificate authorities that they trust and are signed by.
    #[serde(default, skip_serializing_if = "TrustStage::is_first")]
    pub trust: TrustStage,
}

/// The template that a revision comes from, and what the group shows of it when all of its nodes are of the revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The template.
    pub template: TemplateId,
    /// Image as the template names it.
    pub image_id: String,
    /// Flavor as the template names it; `None` for a group that keeps one of its own.
    pub flavor_id: Option<String>,
    /// Labels that change with the revision; `None` for one that goes.
    pub labels: BTreeMap<String, Option<String>>,
}

/// Where a group stands between revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// What new nodes are made of.
    pub target: Revision,
    /// Where that comes from; `None` for what the group was created with.
    pub source: Option<Source>,
    /// Most nodes that are replaced at once.
    pub batch: u32,
    /// Nodes that are made of something else, with what.
    pub behind: BTreeMap<u32, Revision>,
    /// Nodes of the control plane whose machines are away, to be made anew.
    pub out: BTreeSet<u32>,
    /// Nodes of the present batch, which are not known to be ready yet.
    pub unproven: BTreeSet<u32>,
    /// True once a failure has stopped it: no further batch begins until it is asked for again.
    pub stopped: bool,
}

impl Roll {
    /// The roll of a group that stays as it is.
    pub fn standing(revision: Revision) -> Self {
        Self {
            target: revision,
            batch: 1,
            ..Self::default()
        }
    }

    /// True when every node is of the target revision.
    pub fn is_done(&self) -> bool {
        self.behind.is_empty() && self.out.is_empty() && self.unproven.is_empty()
    }

    /// Forgets nodes that are no longer there.
    pub(crate) fn keep(&mut self, nodes: &[u32]) {
        self.behind.retain(|node, _| nodes.contains(node));
        self.out.retain(|node| nodes.contains(node));
        self.unproven.retain(|node| nodes.contains(node));
    }
}

/// A new revision for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What new nodes are made of.
    pub target: Revision,
    /// Where that comes from.
    pub source: Source,
    /// Most nodes that are replaced at once; at least one.
    pub batch: u32,
}

impl NodeGroup {
    /// Begins a roll, or takes up one that was stopped. `present` is what the group's nodes are made of if it never
    /// had one. Nodes that failed are not waited for: workers among them go, masters are made anew.
    pub fn begin_roll(&mut self, present: Revision, order: Order, seen: &NodesSeen) {
        let before = self.roll.take().unwrap_or_else(|| Roll::standing(present));
        // What the nodes are made of changes, and not whom they trust.
        let target = Revision {
            trust: before.target.trust,
            ..order.target
        };
        self.reroll(&before, target, Some(order.source), order.batch, seen);
    }

    /// Begins to make the nodes of something else than `before`.
    pub(crate) fn reroll(
        &mut self,
        before: &Roll,
        target: Revision,
        source: Option<Source>,
        batch: u32,
        seen: &NodesSeen,
    ) {
        let is_good = |node: &u32| seen.ready.contains(node) && !before.unproven.contains(node);
        if !self.is_master() {
            self.nodes.retain(is_good);
        }
        let made_of = |node: &u32| before.behind.get(node).unwrap_or(&before.target);
        let behind: BTreeMap<u32, Revision> = self
            .nodes
            .iter()
            .filter(|node| *made_of(node) != target)
            .map(|node| (*node, made_of(node).clone()))
            .collect();
        let mut out = before.out.clone();
        if self.is_master() {
            let failed = behind.keys().filter(|node| !seen.ready.contains(node));
            out.extend(failed.chain(&before.unproven));
        }
        self.roll = Some(Roll {
            target,
            source,
            batch: batch.max(1),
            behind,
            out,
            unproven: BTreeSet::new(),
            stopped: false,
        });
    }

    /// True while nodes of the group wait for their replacement and it goes on.
    pub fn is_rolling(&self) -> bool {
        self.roll
            .as_ref()
            .is_some_and(|roll| !roll.stopped && !roll.is_done())
    }

    /// True when all nodes are of the revision that they should be of.
    pub fn is_uniform(&self) -> bool {
        self.roll.as_ref().is_none_or(Roll::is_done)
    }

    /// What is to be written of the group next, now that all that is written is there and ready. While it waits for
    /// another group, what is under way ends and nothing new begins.
    fn next(&self, waits: bool) -> Option<Self> {
        let mut next = self.clone();
        let roll = next.roll.as_mut()?;
        roll.unproven.clear();
        if !roll.out.is_empty() {
            roll.behind.retain(|node, _| !roll.out.contains(node));
            roll.unproven = std::mem::take(&mut roll.out);
        } else if self.is_master() {
            if !roll.stopped && !waits {
                roll.out.extend(roll.behind.keys().next().copied());
            }
        } else {
            next_workers(roll, &mut next.nodes, self.node_count, waits);
        }
        next.show_revision();
        (next != *self).then_some(next)
    }

    /// The group shows what it is made of once all of it is.
    fn show_revision(&mut self) {
        let Some(source) = self.roll.as_ref().filter(|roll| roll.is_done()) else {
            return;
        };
        let Some(source) = &source.source else { return };
        self.image_id = Some(source.image_id.clone());
        if source.flavor_id.is_some() {
            self.flavor_id.clone_from(&source.flavor_id);
        }
        source.relabel(&mut self.labels);
    }
}

impl Source {
    /// Changes labels as the revision does.
    pub fn relabel(&self, labels: &mut crate::Labels) {
        for (name, value) in &self.labels {
            match value {
                Some(value) => drop(labels.0.insert(name.clone(), value.clone())),
                None => drop(labels.0.remove(name)),
            }
        }
    }
}

/// Old ones go if there are more nodes than asked for; else the next batch of new ones comes.
fn next_workers(roll: &mut Roll, nodes: &mut Vec<u32>, count: i32, waits: bool) {
    let count = usize::try_from(count).unwrap_or(0);
    let mut surplus = nodes.len().saturating_sub(count);
    if surplus > 0 {
        nodes.retain(|node| {
            let goes = surplus > 0 && roll.behind.contains_key(node);
            surplus -= usize::from(goes);
            !goes
        });
        nodes.truncate(nodes.len() - surplus);
        return roll.keep(nodes);
    }
    if waits {
        return;
    }
    let missing = count - nodes.len();
    let is_proven = nodes.iter().any(|node| !roll.behind.contains_key(node));
    let batch = if is_proven { roll.batch } else { 1 };
    let batch = usize::try_from(batch).unwrap_or(usize::MAX);
    let batch = match roll.stopped {
        true => missing,
        false => batch.min(missing + roll.behind.len()),
    };
    let held: BTreeSet<u32> = nodes.iter().copied().collect();
    let new = (0..).filter(|node| !held.contains(node));
    roll.unproven = new.take(batch).collect();
    nodes.extend(&roll.unproven);
    nodes.sort_unstable();
}

/// The groups that are to be written anew, now that all that is written is there and ready; `None` at the end.
/// The control plane comes first: nodes must not be newer than what they belong to.
pub fn advance(groups: &[NodeGroup]) -> Option<Vec<NodeGroup>> {
    let staying = || groups.iter().filter(|group| !group.is_leaving());
    let masters = staying().filter(|group| group.is_master());
    let workers = staying().filter(|group| !group.is_master());
    let mut changed = Vec::new();
    let mut waits = false;
    for group in masters.chain(workers) {
        changed.extend(group.next(waits));
        waits |= group.is_rolling();
    }
    (!changed.is_empty()).then_some(changed)
}

/// The source that the whole cluster is of, when all default groups are.
pub fn source_of(groups: &[NodeGroup]) -> Option<&Source> {
    let mut sources = groups.iter().filter(|group| group.is_default).map(|group| {
        let roll = group.roll.as_ref().filter(|roll| roll.is_done());
        roll.and_then(|roll| roll.source.as_ref())
    });
    let first = sources.next()??;
    sources
        .all(|source| source.is_some_and(|source| source.template == first.template))
        .then_some(first)
}

#[cfg(test)]
mod tests;
