//! What all records of networking have.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{attrs, tags};
use crate::{call::Refusal, world::World};

/// What all records of the service have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Common {
    /// UUID.
    pub id: String,
    /// Owner; empty for ports that the service keeps for itself.
    pub project_id: String,
    /// Name, not unique; empty where the kind has none.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// Tags in the order given, each once.
    pub tags: Vec<String>,
    /// Place in the order of creation.
    pub sequence: u64,
    /// Milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Milliseconds since the Unix epoch of the last change.
    pub updated_ms: i64,
    /// Counts changes, from 1.
    pub revision_number: u64,
}

impl Common {
    pub(super) fn new(world: &mut World, project: &str) -> Self {
        world.neutron.sequence += 1;
        Self {
            id: world.uuid(),
            project_id: project.to_owned(),
            sequence: world.neutron.sequence,
            created_ms: world.now_ms,
            updated_ms: world.now_ms,
            revision_number: 1,
            ..Self::default()
        }
    }

    /// Reads name, description and tags of a POST.
    pub(super) fn of(world: &mut World, project: &str, attrs: attrs::Attrs<'_>) -> Result<Self, Refusal> {
        let tags = attrs.texts("tags")?.unwrap_or_default();
        tags::check(&tags)?;
        Ok(Self {
            name: attrs.owned("name")?.unwrap_or_default(),
            description: attrs.owned("description")?.unwrap_or_default(),
            tags,
            ..Self::new(world, project)
        })
    }

    /// Takes name and description of a PUT.
    pub(super) fn update(&mut self, attrs: attrs::Attrs<'_>) -> Result<(), Refusal> {
        if let Some(name) = attrs.owned("name")? {
            self.name = name;
        }
        if attrs.get("description").is_some() {
            self.description = attrs.owned("description")?.unwrap_or_default();
        }
        Ok(())
    }

    pub(super) fn touch(&mut self, now_ms: i64) {
        self.updated_ms = now_ms;
        self.revision_number += 1;
    }

    /// The fields of every kind in a body.
    pub(super) fn render(&self) -> Map<String, Value> {
        let Value::Object(map) = json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "tags": self.tags,
            "created_at": timestamp(self.created_ms),
            "updated_at": timestamp(self.updated_ms),
            "revision_number": self.revision_number,
        }) else {
            return Map::new();
        };
        map
    }
}

/// `2025-01-31T12:00:00Z`
fn timestamp(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Adds the members of one object to another.
pub(super) fn merged(mut base: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        base.extend(more);
    }
    Value::Object(base)
}
