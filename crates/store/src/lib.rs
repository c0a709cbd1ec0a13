//! Everything that must survive a restart: clusters, templates, node groups, the engine's work and its ledger.
//!
//! Every SQL statement of the project is here, and this is the only crate that knows the database library. The
//! same statements run on SQLite, MariaDB/MySQL and PostgreSQL. One public function answers one question of a
//! caller, in one transaction where it writes.
//!
//! Invariants: whoever works on a cluster holds its lease, and each of its writes carries the lease's fence, so
//! that a worker that was overtaken cannot write; whoever changes what is asked of a cluster raises the
//! generation of its work, so that a worker cannot settle a wish that is no longer the present one. There is no
//! clock in here: callers bring the time. That of the database's server is told to who asks, and decides nothing.

mod answers;
mod api_calls;
mod clock;
mod clusters;
mod engine;
mod error;
mod health;
mod migration;
mod node_tokens;
mod page;
mod quotas;
mod row;
mod scope;
mod sealed;
mod services;
mod store;
mod templates;
mod unbroken;
mod url;

pub use answers::{Answer, Answers};
pub use api_calls::ApiCallState;
pub use clusters::{
    ChangeError, ClusterChange, ClusterRow, ClusterSummary, Clusters, CreateError, NewCluster, Seen,
    Standing, Stats, Terms,
};
pub use engine::{
    Backlog, Claim, ClusterProgress, Engine, GoalKind, LedgerChange, Oldest, Settlement, Upgraded, Work,
};
pub use error::{Cause, StoreError};
pub use health::{Health, Patient, Turn};
pub use node_tokens::NodeToken;
pub use page::{Filter, Page, SortKey, Table};
pub use quotas::{CLUSTER_RESOURCE, QuotaRow, Quotas};
pub use scope::{Ident, Scope};
pub use sealed::{Sealed, SealedRow};
pub use services::{ServiceRow, Services};
pub use store::Store;
pub use templates::{InUse, Templates};

#[cfg(test)]
mod tests;
