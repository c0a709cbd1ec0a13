//! A thin, typed client of the OpenStack services that clusters are made of.
//!
//! A [`Connector`] holds what all calls share: the connection pool, the deadlines and the bound on calls in
//! flight. A [`Session`] is somebody's right to call: it authenticates when needed, renews its token before it
//! expires and finds each service in the catalog. The modules named after services hold one function for each
//! call that we make, with only the fields that we read.
//!
//! Invariants: every call has a deadline and a bounded answer; a call that changes something is sent at most
//! once (once more only after a 401, when nothing was done); every failure is an [`Error`] that says whether
//! trying again helps and whether the work may have been done. Tokens, passwords and user-data appear in no
//! error, log or `Debug` output.

mod call;
mod catalog;
mod connector;
mod credentials;
mod error;
mod find;
mod meter;
mod options;
mod service;
mod session;
mod token;
mod wire;

pub mod compute;
pub mod identity;
pub mod image;
pub mod load_balancer;
pub mod network;
pub mod volume;

pub use catalog::{Catalog, CatalogEndpoint, CatalogService};
pub use connector::Connector;
pub use credentials::{ApplicationCredentialName, Credentials, DomainName, Scope, UserName};
pub use error::{Error, Kind};
pub use find::Find;
pub use meter::Meter;
pub use options::{ClientCertificate, Interface, Options, Place, Trust, UnknownInterface};
pub use service::Service;
pub use session::Session;
pub use token::{AccessRule, TokenInfo};
