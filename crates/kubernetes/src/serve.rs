//! Whether a master serves the API by itself, seen through the API that others serve.

use jeroboam_blueprint::api::{Api, StatusCode};
use jeroboam_driver::Access;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longest description of an object, in bytes.
const LONGEST_OBJECT: usize = 1 << 20;

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    #[serde(default)]
    uid: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Object {
    fn is_ready(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// False for what the machine before has left behind: its pods belong to its own Node object, which is gone.
    fn is_of(&self, node: &Self) -> bool {
        let mut owners = self.metadata.owner_references.iter();
        owners.all(|owner| owner.kind != "Node" || owner.uid == node.metadata.uid)
    }
}

/// What a master still lacks: its kubelet asks the API on the same machine for its readiness.
pub(crate) async fn check(access: &Access, host_name: &str) -> Result<(), String> {
    let api = Api::new("Kubernetes API", access)?;
    let Some(node) = find::<Object>(&api, &format!("api/v1/nodes/{host_name}")).await? else {
        return Err("it has not joined yet".to_owned());
    };
    let path = format!("api/v1/namespaces/kube-system/pods/kube-apiserver-{host_name}");
    let server = find::<Object>(&api, &path).await?;
    match server.filter(|server| server.is_of(&node) && server.is_ready()) {
        Some(_) if node.is_ready() => Ok(()),
        Some(_) => Err("it is not ready yet".to_owned()),
        None => Err("it does not serve the Kubernetes API yet".to_owned()),
    }
}

/// `None` for what is not there.
async fn find<T: DeserializeOwned>(api: &Api, path: &str) -> Result<Option<T>, String> {
    let answer = api.ask(path).await?;
    let status = answer.status();
    if status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !status.is_success() {
        return Err(format!("the Kubernetes API answers {status}"));
    }
    let body = api.body(answer, LONGEST_OBJECT).await?;
    serde_json::from_slice(&body).map_err(|_| "the Kubernetes API answers badly".to_owned())
}

#[cfg(test)]
mod tests {
    use jeroboam_blueprint::testkit::{Answers, access, tls_server};
    use jeroboam_driver::Authority;
    use serde_json::{Value, json};

    use super::*;

    async fn check_with(node: Option<Value>, pod: Option<Value>) -> Result<(), String> {
        let answers = [
            ("GET /api/v1/nodes/m", node),
            ("GET /api/v1/namespaces/kube-system/pods/kube-apiserver-m", pod),
        ];
        let mut known = Answers::new();
        for (what, answer) in answers {
            let answer = answer.map_or((404, json!({})), |answer| (200, answer));
            known.insert(what.to_owned(), answer);
        }
        let address = tls_server("127.0.0.1", known);
        check(&access(format!("https://{address}"), Authority::Cluster), "m").await
    }

    fn object(ready: &str, metadata: Value) -> Option<Value> {
        Some(json!({"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": ready}]}}))
    }

    #[tokio::test]
    async fn a_master_serves_when_its_own_api_is_ready_and_not_when_its_predecessors_was() {
        let node = |ready: &str| object(ready, json!({"uid": "new"}));
        let pod =
            |ready: &str, of: &str| object(ready, json!({"ownerReferences": [{"kind": "Node", "uid": of}]}));
        assert_eq!(check_with(node("True"), pod("True", "new")).await, Ok(()));
        let serves_not = Err("it does not serve the Kubernetes API yet".to_owned());
        for (node, pod, expected) in [
            (None, pod("True", "old"), Err("it has not joined yet".to_owned())),
            (node("True"), None, serves_not.clone()),
            (node("True"), pod("False", "new"), serves_not.clone()),
            (node("True"), pod("True", "old"), serves_not),
            (
                node("False"),
                pod("True", "new"),
                Err("it is not ready yet".to_owned()),
            ),
        ] {
            assert_eq!(check_with(node, pod).await, expected);
        }
    }
}
