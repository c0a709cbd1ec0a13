//! The policy language of OpenStack (oslo.policy) and Magnum's rules in it.
//!
//! Owns parsing, evaluation, policy files and the table of defaults. Pure: a check that only a server can answer
//! stops the evaluation with a question ([`Outcome::Ask`]), and [`Rules::enforce`] asks through the caller's
//! [`Remote`]. Invariant: what cannot be understood, found or asked grants nothing.

mod attributes;
mod check;
mod evaluate;
mod file;
mod format;
mod literal;
pub mod magnum;
mod parse;
mod python;
mod remote;
mod review;
mod rules;
mod sample;
mod token;

pub use attributes::{Attribute, Attributes};
pub use check::Check;
pub use file::{FileError, Override, read};
pub use format::Template;
pub use literal::Left;
pub use parse::{Inner, Parsed, Problem, parse, parse_list};
pub use remote::{NoRemote, Question, Remote, is_granted};
pub use review::{Finding, review};
pub use rules::{Deprecated, Options, Outcome, Refusal, Registered, Rules, TokenScope};
pub use sample::sample;
pub use token::credentials_of;
