//! The simulator as clients see it: over HTTP.

mod compute;
mod faults;
mod identity;
mod image;
mod steering;
mod support;
mod trust;
