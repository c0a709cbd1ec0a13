//! Drift: whether the members of a set are still what was applied.
//!
//! The API keeps, with each object, which of its fields are whose. A field of ours that somebody else changes is theirs
//! from then on, and one that they add never was ours. So what we own tells of every change of what was applied and of
//! no other, and a digest of it is all that is remembered. Nothing is rendered or written to find out.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jeroboam_driver::{Access, Drift};
use serde_json::Value;

use super::set::{self, Cluster, Failure, MANAGER, place_of};

/// Members by kind, namespace and name; with it a digest of what of each is ours.
pub(super) type Fingerprints = BTreeMap<String, String>;

/// Most members that a text names.
const NAMED: usize = 3;

/// Fingerprint of a member as the API shows it.
pub(super) fn fingerprint(kind: &str, member: &Value) -> Option<(String, String)> {
    let owners = member.pointer("/metadata/managedFields")?.as_array()?;
    let own = owners
        .iter()
        .find(|owner| owner["manager"] == MANAGER && owner["operation"] == "Apply")?;
    let hash = digest(&SHA256, own["fieldsV1"].to_string().as_bytes());
    let short: String = hash
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some((key(kind, member), short))
}

/// Such as `DaemonSet.apps kube-system/calico-node`.
fn key(kind: &str, member: &Value) -> String {
    let (namespace, name) = place_of(member);
    match namespace.is_empty() {
        true => format!("{kind} {name}"),
        false => format!("{kind} {namespace}/{name}"),
    }
}

/// Looks once.
pub(super) async fn look(name: &str, revision: &str, access: &Access) -> Drift {
    match try_look(name, revision, access).await {
        Ok(Some(found)) => Drift::Found(found),
        Ok(None) => Drift::None,
        Err(Failure::NotYet(reason) | Failure::Refused(reason)) => Drift::Unknown(reason),
    }
}

async fn try_look(name: &str, revision: &str, access: &Access) -> Result<Option<String>, Failure> {
    let mut cluster = Cluster::open(access)?;
    let Some(standing) = set::find(&cluster.api, name).await? else {
        return Ok(Some("nothing in the cluster stands for it".to_owned()));
    };
    let applied = match standing.fingerprints {
        Some(applied) if standing.revision == revision => applied,
        _ => return Ok(Some("what was applied is not known".to_owned())),
    };
    let mut present = Fingerprints::new();
    for kind in &standing.kinds {
        let Some((_, members)) = cluster.members(name, kind).await? else {
            continue;
        };
        let stays = |member: &&Value| member["metadata"]["deletionTimestamp"].is_null();
        for member in members.iter().filter(stays) {
            present.extend(fingerprint(kind, member));
        }
    }
    Ok(difference(&applied, &present))
}

/// What is not as it was; what is there besides is not ours.
fn difference(applied: &Fingerprints, present: &Fingerprints) -> Option<String> {
    let lost = applied.iter().filter_map(|(key, print)| match present.get(key) {
        Some(found) if found == print => None,
        Some(_) => Some(format!("{key} was changed")),
        None => Some(format!("{key} was deleted")),
    });
    let mut lost: Vec<String> = lost.collect();
    if lost.len() > NAMED {
        let more = lost.split_off(NAMED).len();
        lost.push(format!("{more} more"));
    }
    (!lost.is_empty()).then(|| lost.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned_by(owners: &Value) -> Value {
        json!({"metadata": {"namespace": "kube-system", "name": "a", "managedFields": owners}})
    }

    #[test]
    fn only_what_was_applied_makes_the_fingerprint() {
        let own = json!({"manager": "jeroboam", "operation": "Apply", "time": "1", "fieldsV1": {"f:data": {"f:a": {}}}});
        let (key, before) = fingerprint("ConfigMap", &owned_by(&json!([own]))).unwrap();
        assert_eq!(key, "ConfigMap kube-system/a");
        let mut later = own.clone();
        later["time"] = json!("2");
        let other = json!({"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}});
        let same = fingerprint("ConfigMap", &owned_by(&json!([other, later]))).unwrap();
        assert_eq!(same.1, before);
        later["fieldsV1"] = json!({"f:data": {}});
        let changed = fingerprint("ConfigMap", &owned_by(&json!([later]))).unwrap();
        assert_ne!(changed.1, before);
        // What somebody made anew under the same name is not what was applied.
        assert_eq!(fingerprint("ConfigMap", &owned_by(&json!([other]))), None);
    }

    #[test]
    fn a_difference_names_what_was_changed_and_what_is_gone_and_nothing_else() {
        let prints = |pairs: &[(&str, &str)]| -> Fingerprints {
            let pairs = pairs.iter();
            pairs
                .map(|(key, print)| ((*key).to_owned(), (*print).to_owned()))
                .collect()
        };
        let applied = prints(&[("A a", "1"), ("B b", "2"), ("C c", "3")]);
        assert_eq!(difference(&applied, &applied), None);
        let more = prints(&[("A a", "1"), ("B b", "2"), ("C c", "3"), ("D d", "4")]);
        assert_eq!(difference(&applied, &more), None);
        let less = prints(&[("A a", "9"), ("C c", "3")]);
        assert_eq!(
            difference(&applied, &less).unwrap(),
            "A a was changed, B b was deleted"
        );
        let many: Vec<String> = (0..9).map(|index| format!("A {index}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "1")).collect();
        let told = difference(&prints(&many), &prints(&[])).unwrap();
        assert!(told.ends_with("A 2 was deleted, 6 more"), "{told}");
    }
}
