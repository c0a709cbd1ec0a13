//! What a cluster's workload made in the cloud by itself, and the ledger does not know: load balancers and floating IPs of
//! Services, volumes of claims. They carry the cluster's id, which is told to what makes them, in the words of
//! cloud-provider-openstack; what does not is somebody else's and is not touched.

use jeroboam_cloud::{load_balancer, network, volume};
use tracing::info;

use crate::context::Context;
use crate::fault::StepError;

/// Key of the metadata of volumes that names their cluster.
const VOLUME_KEY: &str = "cinder.csi.openstack.org/cluster";

/// Drops what is there. `true` when nothing is left.
pub(crate) async fn sweep(context: &Context<'_>, volumes: bool) -> Result<bool, StepError> {
    let session = context.session().await?;
    let cluster = context.cluster.uuid.to_string();
    let mut left = 0;
    let balancers = load_balancer::load_balancers(&session).await;
    for balancer in unless_missing(balancers)? {
        if !is_of(&balancer.description, "Kubernetes ", &cluster) {
            continue;
        }
        left += 1;
        // What changes is immutable, and is dropped when that has ended.
        if !balancer.provisioning_status.starts_with("PENDING_") {
            info!(
                load_balancer = balancer.id,
                "dropping a load balancer of a Service"
            );
            load_balancer::delete_cascade(&session, &balancer.id).await?;
        }
    }
    for address in network::floating_ips(&session).await? {
        if is_of(&address.description, "Floating IP for Kubernetes ", &cluster) {
            info!(
                address = address.address,
                "giving a floating IP of a Service back"
            );
            network::delete_floating_ip(&session, &address.id).await?;
        }
    }
    if volumes {
        let query = volume::volumes_with(&session, VOLUME_KEY, &cluster).await;
        for found in unless_missing(query)? {
            left += 1;
            if found.status != "deleting" {
                info!(volume = found.id, "dropping a volume of a claim");
                volume::delete_with_snapshots(&session, &found.id).await?;
            }
        }
    }
    match left {
        0 => Ok(true),
        left => Err(StepError::Pending(format!(
            "{left} objects of its workload are still there"
        ))),
    }
}

/// A cloud without the service has nothing of it.
fn unless_missing<T>(found: Result<Vec<T>, jeroboam_cloud::Error>) -> Result<Vec<T>, StepError> {
    match found {
        Err(error) if error.kind == jeroboam_cloud::Kind::NoEndpoint => Ok(Vec::new()),
        other => Ok(other?),
    }
}

/// True for a description such as `Kubernetes external service default/web from cluster <uuid>`.
fn is_of(description: &str, beginning: &str, cluster: &str) -> bool {
    let end = format!(" from cluster {cluster}");
    description.len() > beginning.len() + end.len()
        && description.starts_with(beginning)
        && description.ends_with(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_carries_the_clusters_id_in_the_known_words_is_its_own() {
        let own = |text: &str| is_of(text, "Kubernetes ", "u-1");
        assert!(own("Kubernetes external service default/web from cluster u-1"));
        assert!(own(
            "Kubernetes Ingress web in namespace default from cluster u-1"
        ));
        for other in [
            "",
            "Kubernetes from cluster u-1",
            "Kubernetes external service default/web from cluster u-10",
            "Kubernetes external service default/web from cluster kubernetes",
            "my own, like Kubernetes external service default/web from cluster u-1",
            "Kubernetes external service default/web from cluster u-1 (copy)",
        ] {
            assert!(!own(other), "{other}");
        }
    }
}
