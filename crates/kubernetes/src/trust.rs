//! What a rotation of the authorities asks of a running cluster besides new nodes.
//!
//! Pods read the authorities and their tokens from the API's own objects, and most read them when they start. So
//! before the next stage begins, what the control plane publishes must be of this stage, tokens that it once wrote
//! down must be signed anew, and Kubernetes' own pods, which masters run too, must have started since.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jeroboam_blueprint::api::{Api, Method};
use jeroboam_driver::{Access, TokenKeys};
use jeroboam_types::TrustStage;
use serde::Deserialize;
use serde_json::json;

/// Longest answers, in bytes.
const LONGEST_OBJECT: usize = 1 << 20;
const LONGEST_LIST: usize = 16 << 20;

/// Objects in one answer.
const PAGE: usize = 250;

const SYSTEM: &str = "kube-system";

/// On the pods of Kubernetes' own workloads: the stage that they started in.
const MARK: &str = "jeroboam.openstack.org/trust";

const MERGE: &str = "application/merge-patch+json";

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Secrets {
    metadata: ListMetadata,
    items: Vec<Secret>,
}

#[derive(Default, Deserialize)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    more: String,
}

#[derive(Deserialize)]
struct Secret {
    metadata: Metadata,
    /// In base64.
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    generation: i64,
}

#[derive(Deserialize)]
struct Workloads {
    items: Vec<Workload>,
}

#[derive(Deserialize)]
struct Workload {
    metadata: Metadata,
    spec: WorkloadSpec,
    #[serde(default)]
    status: WorkloadStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkloadSpec {
    template: Template,
    replicas: Option<i64>,
    #[serde(default)]
    update_strategy: Strategy,
}

#[derive(Deserialize)]
struct Template {
    #[serde(default)]
    metadata: TemplateMetadata,
}

#[derive(Default, Deserialize)]
struct TemplateMetadata {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct Strategy {
    #[serde(default, rename = "type")]
    kind: String,
}

/// Of DaemonSets, and of Deployments.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorkloadStatus {
    observed_generation: i64,
    desired_number_scheduled: i64,
    updated_number_scheduled: i64,
    updated_replicas: i64,
}

/// Takes the next step; the error says what is waited for.
pub(crate) async fn settle(access: &Access, keys: &TokenKeys, stage: TrustStage) -> Result<(), String> {
    let api = Api::new("Kubernetes API", access)?;
    let authorities = access.authority.as_deref().unwrap_or_default().trim_end();
    let path = format!("api/v1/namespaces/{SYSTEM}/configmaps/kube-root-ca.crt");
    let published: ConfigMap = api.load(&path, LONGEST_OBJECT, |_| None).await?;
    let published = published.data.get("ca.crt").map(|text| text.trim_end());
    if published != Some(authorities) {
        return Err("the control plane does not publish the present authorities yet".to_owned());
    }
    renew_tokens(&api, keys, authorities).await?;
    for kind in ["daemonsets", "deployments"] {
        restart(&api, kind, stage).await?;
    }
    Ok(())
}

/// Has the tokens that are kept in secrets signed by the key that signs now: the control plane writes one wherever it
/// misses one. Both keys' tokens are good meanwhile, and pods see the new one in the place of the old one.
async fn renew_tokens(api: &Api, keys: &TokenKeys, authorities: &str) -> Result<(), String> {
    let mut waiting = 0;
    let mut more = String::new();
    loop {
        let of_accounts = "fieldSelector=type%3Dkubernetes.io%2Fservice-account-token";
        let path = format!("api/v1/secrets?{of_accounts}&limit={PAGE}{more}");
        let secrets: Secrets = api.load(&path, LONGEST_LIST, |_| None).await?;
        for secret in &secrets.items {
            waiting += usize::from(!is_current(secret, keys, authorities));
            if secret.signed_by().is_some_and(|key| key != keys.id) {
                let Metadata { name, namespace, .. } = &secret.metadata;
                let path = format!("api/v1/namespaces/{namespace}/secrets/{name}");
                let without = json!({"data": {"token": null}});
                api.must_change(Method::PATCH, &path, Some((MERGE, &without)))
                    .await?;
            }
        }
        if secrets.metadata.more.is_empty() {
            break;
        }
        more = format!("&continue={}", secrets.metadata.more);
    }
    match waiting {
        0 => Ok(()),
        1 => Err("a token of a service account is being made anew".to_owned()),
        more => Err(format!("{more} tokens of service accounts are being made anew")),
    }
}

/// True for a secret whose token is of the key and which has the authorities.
fn is_current(secret: &Secret, keys: &TokenKeys, authorities: &str) -> bool {
    let trusts = secret.data.get("ca.crt").is_some_and(|encoded| {
        let decoded = BASE64_STANDARD.decode(encoded).unwrap_or_default();
        String::from_utf8_lossy(&decoded).trim_end() == authorities
    });
    trusts && secret.signed_by().as_deref() == Some(keys.id.as_str())
}

impl Secret {
    /// Id of the key that the token is signed by; `None` without a token. What is no token is of no key.
    fn signed_by(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Header {
            kid: String,
        }
        let token = self.data.get("token").filter(|token| !token.is_empty())?;
        let token = BASE64_STANDARD.decode(token).unwrap_or_default();
        let header = token.split(|byte| *byte == b'.').next().unwrap_or_default();
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
        let header = serde_json::from_slice::<Header>(&header);
        Some(header.map(|header| header.kid).unwrap_or_default())
    }
}

/// Has Kubernetes' own workloads of a kind start anew, each once in a stage, and waits until they have.
async fn restart(api: &Api, kind: &str, stage: TrustStage) -> Result<(), String> {
    let base = format!("apis/apps/v1/namespaces/{SYSTEM}/{kind}");
    let found: Workloads = api.load(&base, LONGEST_LIST, |_| None).await?;
    let mark = stage.0.to_string();
    let mut waiting = None;
    for workload in &found.items {
        let name = &workload.metadata.name;
        let annotations = workload.spec.template.metadata.annotations.as_ref();
        if annotations.and_then(|all| all.get(MARK)) != Some(&mark) {
            let marked = json!({"spec": {"template": {"metadata": {"annotations": {MARK: mark}}}}});
            let path = format!("{base}/{name}");
            api.must_change(Method::PATCH, &path, Some((MERGE, &marked)))
                .await?;
            waiting = waiting.or(Some(name));
        } else if !workload.has_started() {
            waiting = waiting.or(Some(name));
        }
    }
    match waiting {
        Some(name) => Err(format!("the pods of {name} in {SYSTEM} are starting anew")),
        None => Ok(()),
    }
}

impl Workload {
    /// True when no pod of before is left, or will be left by itself.
    fn has_started(&self) -> bool {
        let status = &self.status;
        let updated = match self.spec.replicas {
            Some(replicas) => status.updated_replicas >= replicas,
            None => status.updated_number_scheduled >= status.desired_number_scheduled,
        };
        let is_seen = status.observed_generation >= self.metadata.generation;
        self.spec.update_strategy.kind == "OnDelete" || (is_seen && updated)
    }
}

#[cfg(test)]
mod tests;
