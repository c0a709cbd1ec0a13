//! The Kubernetes driver with clusters whose API answers at once, and refuses what it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jeroboam_driver::graph::Made;
use jeroboam_driver::{
    Access, AddOnAsk, AddOnState, Ask, Certificates, Departure, Driver, DriverError, Graph, Invalid, Leaving,
    NodeAsk, Provides, Report,
};
use jeroboam_kubernetes::KubernetesDriver;
use jeroboam_types::{NodeGroup, Revision};

#[derive(Default)]
struct Api {
    /// Revisions of add-ons by name.
    applied: BTreeMap<String, String>,
    refused: BTreeSet<&'static str>,
}

/// The driver.
#[derive(Clone, Default)]
pub struct Played {
    driver: KubernetesDriver,
    api: Arc<Mutex<Api>>,
}

/// What the API says when it refuses.
pub fn refusal(what: &str) -> String {
    format!("the Kubernetes API refuses: {what}")
}

impl Played {
    /// From now on these are refused, and nothing else.
    pub fn refuse(&self, what: BTreeSet<&'static str>) {
        self.api.lock().unwrap().refused = what;
    }

    fn asked(&self, what: &str) -> Result<(), String> {
        match self.api.lock().unwrap().refused.contains(what) {
            true => Err(refusal(what)),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Driver for Played {
    fn name(&self) -> &'static str {
        self.driver.name()
    }

    fn provides(&self) -> &'static [Provides] {
        self.driver.provides()
    }

    fn validate(&self, ask: &Ask) -> Result<(), Invalid> {
        self.driver.validate(ask)
    }

    fn graph(&self, ask: &Ask) -> Result<Graph, DriverError> {
        self.driver.graph(ask)
    }

    fn user_data(&self, node: &NodeAsk<'_>) -> Result<Vec<u8>, DriverError> {
        self.driver.user_data(node)
    }

    fn api_address(&self, ask: &Ask, made: &Made) -> Option<String> {
        self.driver.api_address(ask, made)
    }

    fn revision(&self, ask: &Ask, group: &NodeGroup) -> Revision {
        self.driver.revision(ask, group)
    }

    async fn settle_trust(&self, _: &Ask, _: &Access, keys: &dyn Certificates) -> Result<(), String> {
        keys.token_keys().map_err(|error| error.to_string())?;
        self.asked("settle_trust")
    }

    async fn check(&self, _: &Ask, _: &Access) -> Report {
        match self.asked("check") {
            Ok(()) => Report::Ready {
                coe_version: "v1.31.2".to_owned(),
                container_version: None,
            },
            Err(refusal) => Report::NotYet(refusal),
        }
    }

    async fn serves(&self, _: &Ask, _: &Access, _: &str) -> Result<(), String> {
        self.asked("serves")
    }

    async fn leave(&self, _: &Ask, _: &Access, _: &Leaving<'_>) -> Departure {
        match self.asked("leave") {
            Ok(()) => Departure::Gone,
            Err(refusal) => Departure::NotYet(refusal),
        }
    }

    async fn look_at_add_on(&self, _: &Ask, name: &str, revision: &str, _: &Access) -> AddOnState {
        match self.api.lock().unwrap().applied.get(name) {
            Some(applied) if applied == revision => {}
            _ => return AddOnState::Outdated,
        }
        match self.asked("add_on") {
            Ok(()) => AddOnState::Ready,
            Err(refusal) => AddOnState::Stuck(refusal),
        }
    }

    async fn apply_add_on(&self, asked: &AddOnAsk<'_>, _: &Access) -> AddOnState {
        if let Err(refusal) = self.asked("add_on") {
            return AddOnState::Stuck(refusal);
        }
        let (name, revision) = (asked.name.to_owned(), asked.revision.to_owned());
        self.api.lock().unwrap().applied.insert(name, revision);
        AddOnState::NotYet("applied".to_owned())
    }
}
