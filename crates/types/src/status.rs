//! Statuses of clusters and node groups: Magnum's closed set, and the one table of the life cycle.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! statuses {
    ($($variant:ident => $text:literal),* $(,)?) => {
        /// Status of a cluster or node group. Clients break on a value that is not in this set, so it never grows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Status {
            $(#[doc = concat!("`", $text, "`")] #[serde(rename = $text)] $variant,)*
        }

        impl Status {
            /// Every status.
            pub const ALL: &[Status] = &[$(Status::$variant),*];

            /// The status as the API writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(Status::$variant => $text),* }
            }
        }
    };
}

statuses! {
    CreateInProgress => "CREATE_IN_PROGRESS", CreateFailed => "CREATE_FAILED", CreateComplete => "CREATE_COMPLETE",
    UpdateInProgress => "UPDATE_IN_PROGRESS", UpdateFailed => "UPDATE_FAILED", UpdateComplete => "UPDATE_COMPLETE",
    DeleteInProgress => "DELETE_IN_PROGRESS", DeleteFailed => "DELETE_FAILED", DeleteComplete => "DELETE_COMPLETE",
    ResumeComplete => "RESUME_COMPLETE", ResumeFailed => "RESUME_FAILED", RestoreComplete => "RESTORE_COMPLETE",
    RollbackInProgress => "ROLLBACK_IN_PROGRESS", RollbackFailed => "ROLLBACK_FAILED",
    RollbackComplete => "ROLLBACK_COMPLETE", SnapshotComplete => "SNAPSHOT_COMPLETE",
    CheckComplete => "CHECK_COMPLETE", AdoptComplete => "ADOPT_COMPLETE",
}

/// What the engine is doing to a cluster, or did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Building what was asked for the first time.
    Create,
    /// Changing a cluster that stood.
    Update,
    /// Taking it away.
    Delete,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Still at work.
    InProgress,
    /// Everything asked is there.
    Complete,
    /// Gave up, with a reason.
    Failed,
}

impl Status {
    /// The life cycle: the status of an operation at a point of its way.
    pub const fn of(operation: Operation, outcome: Outcome) -> Self {
        match (operation, outcome) {
            (Operation::Create, Outcome::InProgress) => Self::CreateInProgress,
            (Operation::Create, Outcome::Complete) => Self::CreateComplete,
            (Operation::Create, Outcome::Failed) => Self::CreateFailed,
            (Operation::Update, Outcome::InProgress) => Self::UpdateInProgress,
            (Operation::Update, Outcome::Complete) => Self::UpdateComplete,
            (Operation::Update, Outcome::Failed) => Self::UpdateFailed,
            (Operation::Delete, Outcome::InProgress) => Self::DeleteInProgress,
            (Operation::Delete, Outcome::Complete) => Self::DeleteComplete,
            (Operation::Delete, Outcome::Failed) => Self::DeleteFailed,
        }
    }

    /// The operation that the status speaks of; `None` for those which only a Heat stack ever had.
    pub fn operation(self) -> Option<Operation> {
        match self {
            Self::CreateInProgress | Self::CreateFailed | Self::CreateComplete => Some(Operation::Create),
            Self::UpdateInProgress | Self::UpdateFailed | Self::UpdateComplete => Some(Operation::Update),
            Self::DeleteInProgress | Self::DeleteFailed | Self::DeleteComplete => Some(Operation::Delete),
            _ => None,
        }
    }

    /// True while the engine works on it.
    pub fn is_in_progress(self) -> bool {
        self.as_str().ends_with("_IN_PROGRESS")
    }

    /// True for every `*_FAILED`: the answer of a cluster then has `faults`.
    pub fn is_failed(self) -> bool {
        self.as_str().ends_with("_FAILED")
    }
}

/// A change that may be asked of a cluster that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// `node_count` of the cluster, by PATCH.
    NodeCount,
    /// Size of a node group, by the action `resize`.
    Resize,
    /// Health that somebody else watches.
    Health,
    /// Another machine for a node that is lost.
    Repair,
    /// Another template.
    Upgrade,
    /// New certificate authorities.
    RotateAuthorities,
    /// A new password of the cluster's identity.
    RotateCredential,
    /// One more node group.
    CreateGroup,
    /// Bounds, labels or taints of a node group.
    UpdateGroup,
    /// One node group less.
    DeleteGroup,
}

impl Change {
    /// What is asked, for texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NodeCount => "changed",
            Self::Resize => "resized",
            Self::Health => "given a health",
            Self::Repair => "repaired",
            Self::Upgrade => "upgraded",
            Self::RotateAuthorities => "given new certificate authorities",
            Self::RotateCredential => "given a new credential",
            Self::CreateGroup => "given another node group",
            Self::UpdateGroup => "changed in its node groups",
            Self::DeleteGroup => "relieved of a node group",
        }
    }

    /// The life cycle: true when a cluster of a status may be changed so. Whatever stands may be; so may what
    /// failed to change, because the same wish again is how it is mended. While a change is under way, a newer one
    /// may take its place if all it says is which nodes there should be; others wait for its end.
    pub fn may_start_at(self, status: Status) -> bool {
        match status.operation() {
            Some(Operation::Delete) => return false,
            Some(Operation::Create) => return status == Status::CreateComplete,
            Some(Operation::Update) => {}
            // What only a Heat stack ever had.
            None => return !status.is_in_progress() && !status.is_failed(),
        }
        match self {
            Self::NodeCount | Self::Repair | Self::Upgrade | Self::RotateAuthorities => {
                !status.is_in_progress()
            }
            Self::Resize
            | Self::Health
            | Self::RotateCredential
            | Self::CreateGroup
            | Self::UpdateGroup
            | Self::DeleteGroup => true,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no status.
#[derive(Debug, Error)]
#[error("unknown status {0:?}")]
pub struct UnknownStatus(pub String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .iter()
            .copied()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// Health of a running cluster; absent until it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    /// The COE answers and every node is ready.
    Healthy,
    /// It does not answer, or a node is not ready.
    Unhealthy,
    /// It cannot be looked at from here.
    Unknown,
}

impl HealthStatus {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Healthy, Self::Unhealthy, Self::Unknown];

    /// The health as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
            Self::Unknown => "UNKNOWN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back_and_the_life_cycle_agrees_with_itself() {
        assert_eq!(Status::ALL.len(), 18);
        for status in Status::ALL {
            assert_eq!(status.as_str().parse::<Status>().unwrap(), *status);
            if let Some(operation) = status.operation() {
                let outcome = match (status.is_in_progress(), status.is_failed()) {
                    (true, _) => Outcome::InProgress,
                    (_, true) => Outcome::Failed,
                    _ => Outcome::Complete,
                };
                assert_eq!(Status::of(operation, outcome), *status);
            }
        }
        assert!("BUILDING".parse::<Status>().is_err());
    }

    #[test]
    fn what_stands_may_be_changed_and_what_is_being_built_or_removed_may_not() {
        use Status::*;
        let may = |change: Change| -> Vec<Status> {
            let all = Status::ALL.iter().copied();
            all.filter(|status| change.may_start_at(*status)).collect()
        };
        let standing = [
            CreateComplete,
            UpdateFailed,
            UpdateComplete,
            ResumeComplete,
            RestoreComplete,
        ];
        let more = [RollbackComplete, SnapshotComplete, CheckComplete, AdoptComplete];
        let settled: Vec<Status> = standing.into_iter().chain(more).collect();
        assert_eq!(may(Change::NodeCount), settled);
        assert_eq!(may(Change::Upgrade), settled);
        let while_changing: Vec<Status> = may(Change::Resize)
            .into_iter()
            .filter(|status| !settled.contains(status))
            .collect();
        assert_eq!(while_changing, [UpdateInProgress]);
    }
}
