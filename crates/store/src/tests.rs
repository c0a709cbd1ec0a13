//! The store on real databases: always SQLite, and those that `JEROBOAM_TEST_DATABASES` names (URLs with commas
//! between them, of users who may create databases). Each test has a database of its own.

mod answers;
mod api_calls;
mod changes;
mod clusters;
mod failures;
mod fixture;
mod health;
mod leases;
mod ledger;
mod lists;
mod node_tokens;
mod paging;
mod quotas;
mod schema;
mod secrets;
mod templates;
