//! The API in process, over a real database and the simulated cloud.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a failed test")]

mod auth;
mod callers;
mod certificates;
mod changes;
mod clusters;
mod cors;
mod documents;
mod drivers;
mod etags;
mod filters;
mod horizon;
mod hostile;
mod idempotency;
mod labels;
mod lookups;
mod microversions;
mod nodegroups;
mod openapi;
mod paging;
mod policy;
mod quotas;
mod rig;
mod routing;
mod services;
mod serving;
mod standing;
mod templates;
mod typing;
mod visibility;
