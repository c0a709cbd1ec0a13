//! Credentials from a token as Keystone describes it.

use serde_json::{Map, Value};

/// The credentials of Keystone's answer about a token (`{"token": {...}}` or what is inside), by the names that
/// rules use. `None` for what is not a description of a token.
pub fn credentials_of(description: &Value) -> Option<Map<String, Value>> {
    let token = description.get("token").unwrap_or(description);
    let user = token.get("user")?.as_object()?;
    let mut credentials = Map::new();
    let mut tell = |name: &str, value: Option<&Value>| {
        if let Some(value) = value {
            credentials.insert(name.to_owned(), value.clone());
        }
    };
    tell("user_id", user.get("id"));
    tell("user_name", user.get("name"));
    let user_domain = user.get("domain").unwrap_or(&Value::Null);
    tell("user_domain_id", user_domain.get("id"));
    tell("user_domain_name", user_domain.get("name"));
    if let Some(project) = token.get("project") {
        tell("project_id", project.get("id"));
        tell("project_name", project.get("name"));
        let domain = project.get("domain").unwrap_or(&Value::Null);
        tell("project_domain_id", domain.get("id"));
    }
    tell(
        "domain_id",
        token.get("domain").and_then(|domain| domain.get("id")),
    );
    let is_system = token.get("system").and_then(|system| system.get("all")) == Some(&Value::Bool(true));
    if is_system {
        tell("system_scope", Some(&Value::from("all")));
    }
    let roles = token.get("roles").and_then(Value::as_array);
    let names: Vec<Value> = roles
        .into_iter()
        .flatten()
        .filter_map(|role| role.get("name").cloned())
        .collect();
    tell("roles", Some(&Value::from(names)));
    Some(credentials)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_tells_who_on_what_as_what() {
        let token = json!({"token": {
            "user": {"id": "u", "name": "ann", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p", "name": "demo", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "1", "name": "member"}],
        }});
        let expected = json!({
            "user_id": "u", "user_name": "ann", "user_domain_id": "default", "user_domain_name": "Default",
            "project_id": "p", "project_name": "demo", "project_domain_id": "default", "roles": ["member"],
        });
        assert_eq!(credentials_of(&token).map(Value::Object), Some(expected));
        let system = json!({"user": {"id": "u"}, "system": {"all": true}});
        assert_eq!(credentials_of(&system).unwrap()["system_scope"], "all");
        assert_eq!(credentials_of(&json!({"roles": []})), None);
    }
}
