//! Which steps the engine takes: the plan itself tells, in what it logs.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Metadata, Subscriber};

/// What a step does with a kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Make,
    Await,
    Drop,
}

/// A step, by the kind of its resource.
pub type Kind = (Verb, String);

/// Steps of the engine of this thread since they were last asked for.
#[derive(Clone, Default)]
pub struct Steps(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    /// Steps by stage of a rotation.
    stages: Vec<Vec<String>>,
    /// The stage that the masters are in.
    stage: Option<u64>,
}

impl Steps {
    /// Listens on this thread, where all of a test's tasks run, until the guard is dropped.
    pub fn listen(&self) -> DefaultGuard {
        tracing::subscriber::set_default(self.clone())
    }

    /// The kinds of all steps since the last call of this, by stage of a rotation.
    pub fn take(&self) -> Vec<BTreeSet<Kind>> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap());
        let kinds = |steps: &Vec<String>| steps.iter().filter_map(|step| kind(step)).collect();
        taken.stages.iter().map(kinds).collect()
    }
}

impl Taken {
    fn step(&mut self, step: String) {
        if self.stages.is_empty() {
            self.stages.push(Vec::new());
        }
        self.stages.last_mut().unwrap().push(step);
    }

    fn masters_are_in(&mut self, stage: u64) {
        if self.stage.is_some_and(|present| present < stage) {
            self.stages.push(Vec::new());
        }
        self.stage = Some(stage);
    }
}

/// Of a step such as `Make(Key("server:worker-0"))`; that a budget has run out is no step of its own.
fn kind(step: &str) -> Option<Kind> {
    let (verb, key) = step.split_once('(').expect("a step has a key");
    let verb = match verb {
        "Make" => Verb::Make,
        "Await" => Verb::Await,
        "Drop" => Verb::Drop,
        "GiveUp" => return None,
        other => panic!("a step of a new kind: {other}"),
    };
    let kind = key.split('"').nth(1).unwrap().split(':').next().unwrap();
    Some((verb, kind.to_owned()))
}

#[derive(Default)]
struct Text {
    message: String,
    step: String,
    group: String,
    trust: u64,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => write!(self.message, "{value:?}").unwrap(),
            "step" => write!(self.step, "{value:?}").unwrap(),
            "group" => write!(self.group, "{value:?}").unwrap(),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "trust" {
            self.trust = value;
        }
    }
}

impl Subscriber for Steps {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.enabled(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let tells = ["jeroboam_engine::hand", "jeroboam_engine::roll"];
        metadata.is_event() && tells.contains(&metadata.target())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let mut taken = self.0.lock().unwrap();
        match text.message.as_str() {
            "step" => taken.step(text.step),
            "replacing nodes" if text.group.contains("master") => taken.masters_are_in(text.trust),
            _ => {}
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
