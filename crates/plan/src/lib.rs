//! The planner: from what should be there and what the ledger says, to the steps that may be taken now.
//!
//! Pure and synchronous: no I/O, no clock, no randomness. An executor has no choices left: it takes the steps,
//! writes what became of them to the ledger and asks again, after a crash exactly as after a success.

pub mod ledger;

use std::collections::BTreeSet;

use jeroboam_driver::{Graph, Key, Resource, Spec};
use jeroboam_types::{Fault, Millis};
use serde::Serialize;

pub use ledger::{Entry, Ledger, Phase};

/// What should be there.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// These resources.
    Present(Graph),
    /// Nothing. Needs neither driver nor template: the ledger knows all that was made.
    Absent,
}

impl Goal {
    /// Everything that should be there, if anything should.
    pub fn graph(&self) -> Option<&Graph> {
        match self {
            Self::Present(graph) => Some(graph),
            Self::Absent => None,
        }
    }

    /// A resource that should be there.
    pub fn find(&self, key: &Key) -> Option<&Resource> {
        self.graph()?.find(key)
    }
}

/// One step. Each is idempotent: taken twice, or again after a crash half-way, it ends in the same state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Step {
    /// Make a resource, or find the one that an interrupted try has made.
    Make(Key),
    /// Look whether a resource that is made has become ready.
    Await(Key),
    /// Stop waiting for a resource whose budget is used up.
    GiveUp(Key),
    /// Drop a resource, or look whether one being dropped is gone.
    Drop(Key),
}

impl Step {
    /// The resource that the step is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Make(key) | Self::Await(key) | Self::GiveUp(key) | Self::Drop(key) => key,
        }
    }
}

/// How things stand when no step is being taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// There is more to do, now or at the plan's `wake`.
    Working,
    /// What should be there is there, and nothing else.
    Settled,
    /// Nothing more can be done: these resources failed.
    Failed(Vec<Fault>),
}

/// What may be done now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Steps that may be taken now, all at once; the most urgent ones first.
    pub steps: Vec<Step>,
    /// When to plan again if no step is taken; `None` when only the end of a running step changes anything.
    pub wake: Option<Millis>,
    /// How things stand.
    pub verdict: Verdict,
}

/// Plans. `busy` are the resources with a step being taken right now: they get no second one.
pub fn plan(goal: &Goal, ledger: &Ledger, busy: &BTreeSet<Key>, now: Millis) -> Plan {
    let mut draft = Draft {
        ledger,
        busy,
        now,
        steps: Vec::new(),
        wake: None,
    };
    let faults: Vec<Fault> = ledger.values().filter_map(Entry::failure).collect();
    let settled = match goal {
        Goal::Present(graph) => {
            // One failure ends a creation: what follows could only be torn down again.
            if faults.is_empty() {
                graph.iter().for_each(|resource| draft.make(resource));
            }
            draft.drop_unwanted(Some(graph));
            let is_there = |resource: &Resource| {
                draft.is_ready(&resource.key)
                    && ledger
                        .get(&resource.key)
                        .is_some_and(|entry| !is_outdated(entry, resource))
            };
            graph.iter().all(is_there) && ledger.keys().all(|key| graph.find(key).is_some())
        }
        Goal::Absent => {
            draft.drop_unwanted(None);
            ledger.is_empty()
        }
    };
    let Draft { mut steps, wake, .. } = draft;
    steps.sort_by_cached_key(|step| (urgency(step, ledger), step.clone()));
    let idle = steps.is_empty() && wake.is_none() && busy.is_empty();
    let verdict = match (settled, idle, faults.is_empty()) {
        (true, ..) => Verdict::Settled,
        (false, true, false) => Verdict::Failed(faults),
        (false, ..) => Verdict::Working,
    };
    Plan { steps, wake, verdict }
}

/// What comes first when not all steps can be taken at once: what ends, what was never tried, and then what
/// has waited longest. So nothing starves behind things that are looked at again and again.
fn urgency(step: &Step, ledger: &Ledger) -> (u8, Millis) {
    let entry = ledger.get(step.key());
    let due = entry.map_or(Millis(0), |entry| entry.next_check);
    match step {
        Step::GiveUp(_) => (0, due),
        Step::Make(_) => (1, due),
        Step::Drop(_) if entry.is_some_and(|entry| entry.phase != Phase::Dropping) => (1, due),
        Step::Await(_) | Step::Drop(_) => (2, due),
    }
}

/// True for a COE, or a pool of a load balancer, of other nodes than it should have now, and for an add-on of another
/// revision. Its entry stands for nothing in a cloud that could be gone: dropped, it is made again as it should be.
fn is_outdated(entry: &Entry, resource: &Resource) -> bool {
    match resource.spec {
        Spec::Coe | Spec::Pool { .. } => entry.needs != resource.needs,
        Spec::AddOn { .. } => entry.spec != resource.spec || entry.needs != resource.needs,
        _ => false,
    }
}

struct Draft<'a> {
    ledger: &'a Ledger,
    busy: &'a BTreeSet<Key>,
    now: Millis,
    steps: Vec<Step>,
    wake: Option<Millis>,
}

impl Draft<'_> {
    fn is_ready(&self, key: &Key) -> bool {
        self.ledger
            .get(key)
            .is_some_and(|entry| entry.phase == Phase::Ready)
    }

    fn make(&mut self, resource: &Resource) {
        let key = &resource.key;
        if self.busy.contains(key) {
            return;
        }
        let entry = self.ledger.get(key);
        // Before its new needs are there, so that what is no longer needed can go meanwhile.
        if let Some(entry) = entry.filter(|entry| is_outdated(entry, resource)) {
            return match entry.phase {
                Phase::Dropping if self.now >= entry.give_up_at => self.steps.push(Step::GiveUp(key.clone())),
                Phase::Dropping => self.due(entry, Step::Drop(key.clone())),
                _ => self.steps.push(Step::Drop(key.clone())),
            };
        }
        if !resource.needs.iter().all(|need| self.is_ready(need)) {
            return;
        }
        let Some(entry) = entry else {
            return self.steps.push(Step::Make(key.clone()));
        };
        match entry.phase {
            Phase::Intended | Phase::Made | Phase::Dropping if self.now >= entry.give_up_at => {
                self.steps.push(Step::GiveUp(key.clone()));
            }
            Phase::Intended => self.due(entry, Step::Make(key.clone())),
            Phase::Made => self.due(entry, Step::Await(key.clone())),
            // Half dropped by an earlier goal: it must be gone before it is made again.
            Phase::Dropping => self.due(entry, Step::Drop(key.clone())),
            Phase::Ready | Phase::Failed => {}
        }
    }

    /// Everything in the ledger that should not be there, from the leaves inwards.
    fn drop_unwanted(&mut self, wanted: Option<&Graph>) {
        let is_unwanted = |key: &Key| wanted.is_none_or(|graph| graph.find(key).is_none());
        // What stays needs what it is wanted to need: a worker was made when other masters were there.
        let needs = |entry: &'_ Entry| match wanted.and_then(|graph| graph.find(&entry.key)) {
            Some(resource) if !is_outdated(entry, resource) => resource.needs.clone(),
            _ => entry.needs.clone(),
        };
        let needed: BTreeSet<Key> = self.ledger.values().flat_map(needs).collect();
        // What add-ons log in with goes when all of them work with what comes after it.
        let logs_in = |entry: &Entry| matches!(entry.spec, Spec::AddOn { cloud: true, .. });
        let mut add_ons = self.ledger.values().filter(|entry| logs_in(entry));
        let is_renewing = wanted.is_some() && add_ons.any(|entry| entry.phase != Phase::Ready);
        for entry in self.ledger.values().filter(|entry| is_unwanted(&entry.key)) {
            let is_held = is_renewing && entry.spec == Spec::ApplicationCredential;
            if needed.contains(&entry.key) || self.busy.contains(&entry.key) || is_held {
                continue;
            }
            match entry.phase {
                Phase::Failed if entry.drop_failed => {}
                Phase::Dropping if self.now >= entry.give_up_at => {
                    self.steps.push(Step::GiveUp(entry.key.clone()));
                }
                Phase::Dropping => self.due(entry, Step::Drop(entry.key.clone())),
                _ => self.steps.push(Step::Drop(entry.key.clone())),
            }
        }
    }

    fn due(&mut self, entry: &Entry, step: Step) {
        if entry.next_check <= self.now {
            self.steps.push(step);
        } else {
            let at = entry.next_check.min(entry.give_up_at);
            self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        }
    }
}

#[cfg(test)]
mod tests;
