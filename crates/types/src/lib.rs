//! The domain's words and rules: ids, names, statuses, labels, what is asked and what went wrong.
//!
//! No I/O, no clock, no randomness: everything here is data and functions of data.

pub mod cluster;
pub mod coe;
pub mod fault;
pub mod ids;
pub mod labels;
pub mod name;
pub mod nodegroup;
pub mod repair;
pub mod roll;
pub mod status;
pub mod template;
pub mod trust;

pub use cluster::Cluster;
pub use coe::{Coe, ServerType};
pub use fault::Fault;
pub use ids::{ClusterId, Millis, NodeGroupId, ProjectId, TemplateId, UserId};
pub use labels::Labels;
pub use name::ClusterName;
pub use nodegroup::{NodeGroup, NodesSeen};
pub use roll::{Revision, Roll};
pub use status::{Change, HealthStatus, Status};
pub use template::ClusterTemplate;
pub use trust::TrustStage;
