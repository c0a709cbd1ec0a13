//! The engine: makes the cloud look as the database says it should.
//!
//! It takes work by lease, plans purely, writes each intent to the ledger before the call, and takes steps that
//! may be taken again. It takes no hint from who woke it: first run, retry and restart are one path. It never
//! deletes what is not in a ledger, and never forgets what is.

mod addons;
mod application_credential;
mod authorities;
mod autoscaler;
mod bootstrap;
mod clock;
mod context;
mod diagnosis;
mod executor;
mod fault;
mod groups;
mod hand;
mod health;
mod identity;
mod leftovers;
mod options;
mod reconcile;
mod relay;
mod resource;
mod roll;
mod stopwatch;
mod worker;

pub use bootstrap::{BootstrapError, Endpoint};
pub use clock::{Clock, SystemClock};
pub use options::{Budgets, IdentityMode, Options, OptionsError, TrusteeDomain, Watch};
pub use worker::{Engine, Parts};
