//! What all records of load balancing have.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::body;
use crate::{call::Refusal, world::World};

/// `provisioning_status`: what the service is doing with a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Provisioning {
    /// Settled.
    Active,
    /// Being made.
    #[default]
    PendingCreate,
    /// Being changed.
    PendingUpdate,
    /// Being deleted.
    PendingDelete,
    /// The last change failed.
    Error,
}

impl Provisioning {
    /// The status as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::PendingCreate => "PENDING_CREATE",
            Self::PendingUpdate => "PENDING_UPDATE",
            Self::PendingDelete => "PENDING_DELETE",
            Self::Error => "ERROR",
        }
    }
}

/// What all records of the service have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Common {
    /// UUID.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name, not unique.
    pub name: String,
    /// Text for people; empty where the kind has none.
    pub description: String,
    /// Tags.
    pub tags: Vec<String>,
    /// False when an operator has switched it off.
    pub admin_state_up: bool,
    /// What the service is doing with it.
    pub provisioning_status: Provisioning,
    /// `ONLINE`, `OFFLINE`, `NO_MONITOR`, `DEGRADED` or `ERROR`.
    pub operating_status: String,
    /// Place in the order of creation.
    pub sequence: u64,
    /// Milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Milliseconds since the Unix epoch of the last change, if any.
    pub updated_ms: Option<i64>,
}

impl Common {
    pub(super) fn of(world: &mut World, project: &str, attrs: body::Attrs<'_>) -> Result<Self, Refusal> {
        let name = attrs.owned("name")?.unwrap_or_default();
        let description = attrs.owned("description")?.unwrap_or_default();
        let tags = attrs.texts("tags")?.unwrap_or_default();
        let admin_state_up = attrs.flag("admin_state_up")?.unwrap_or(true);
        world.octavia.sequence += 1;
        Ok(Self {
            id: world.uuid(),
            project_id: project.to_owned(),
            name,
            description,
            tags,
            admin_state_up,
            provisioning_status: Provisioning::PendingCreate,
            operating_status: "OFFLINE".to_owned(),
            sequence: world.octavia.sequence,
            created_ms: world.now_ms,
            updated_ms: None,
        })
    }

    pub(super) fn update(&mut self, attrs: body::Attrs<'_>, now_ms: i64) -> Result<(), Refusal> {
        if attrs.get("name").is_some() {
            self.name = attrs.owned("name")?.unwrap_or_default();
        }
        if attrs.get("description").is_some() {
            self.description = attrs.owned("description")?.unwrap_or_default();
        }
        if attrs.get("tags").is_some() {
            self.tags = attrs.texts("tags")?.unwrap_or_default();
        }
        self.admin_state_up = attrs.flag("admin_state_up")?.unwrap_or(self.admin_state_up);
        self.updated_ms = Some(now_ms);
        Ok(())
    }

    pub(super) fn render(&self) -> Map<String, Value> {
        let Value::Object(map) = json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "tags": self.tags,
            "admin_state_up": self.admin_state_up,
            "provisioning_status": self.provisioning_status,
            "operating_status": self.operating_status,
            "created_at": timestamp(self.created_ms),
            "updated_at": self.updated_ms.map(timestamp),
        }) else {
            return Map::new();
        };
        map
    }
}

/// `2025-01-31T12:00:00`
fn timestamp(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S")
        .to_string()
}

pub(super) fn merged(mut base: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        base.extend(more);
    }
    Value::Object(base)
}
