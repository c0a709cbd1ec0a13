//! Why nodes are late: what their consoles say, read with the cluster's own identity.
//!
//! Consoles are read only of nodes that are missing for a while, of a few of them, and not at every look. What is
//! kept of them is for this process alone: another one would read them again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jeroboam_cloud::compute as nova;
use jeroboam_driver::console::{Diagnosis, Outlook, diagnose};
use jeroboam_driver::{Access, Key, Made};
use jeroboam_plan::Entry;
use jeroboam_types::{ClusterId, Fault};
use tracing::{debug, info};

use crate::context::Context;
use crate::resource::Look;

/// Pause between two readings of a cluster's consoles.
const AGAIN: Duration = Duration::from_secs(20);

/// Consoles that are read at once.
const NODES: usize = 3;

/// Last lines of a console that are read.
const LINES: u32 = 500;

/// What was read last, by cluster.
#[derive(Clone, Default)]
pub(crate) struct Diagnoses(Arc<Mutex<HashMap<ClusterId, Known>>>);

#[derive(Clone)]
struct Known {
    at: Instant,
    /// What is told of each node.
    text: String,
    /// True when one of them will not become a node by itself.
    lasts: bool,
}

impl Diagnoses {
    fn lock(&self) -> MutexGuard<'_, HashMap<ClusterId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a cluster that is not waited for any more.
    pub(crate) fn forget(&self, cluster: ClusterId) {
        self.lock().remove(&cluster);
    }
}

/// A COE that is not ready, with what the consoles of late nodes say. One that can never become ready is broken, and one
/// with a node that does not mend itself is stuck.
pub(crate) async fn explain(
    context: &Context<'_>,
    entry: &Entry,
    made: &Made,
    access: &Access,
    seen: String,
) -> Look {
    if context.now().since(entry.started) < context.engine.options.diagnose_after {
        return Look::Pending(seen);
    }
    let cluster = context.cluster.uuid;
    let diagnoses = &context.engine.diagnoses;
    let fresh = |known: &Known| (known.at.elapsed() < AGAIN).then(|| known.clone());
    let known = diagnoses.lock().get(&cluster).and_then(fresh);
    let known = match known {
        Some(known) => known,
        None => {
            let found = read(context, made, access).await;
            let is_final = |diagnosis: &Diagnosis| diagnosis.outlook == Outlook::Final;
            if let Some((node, diagnosis)) = found.iter().find(|(_, diagnosis)| is_final(diagnosis)) {
                info!(resource = %node, cause = diagnosis.cause, "a node can never become one");
                let fault = Fault {
                    resource: node.to_string(),
                    service: String::new(),
                    message: diagnosis.cause.clone(),
                    request_id: None,
                };
                return Look::Broken((fault, false));
            }
            let told = found
                .iter()
                .map(|(node, diagnosis)| format!("{}: {}", node.name(), diagnosis.cause));
            let known = Known {
                at: Instant::now(),
                text: told.collect::<Vec<_>>().join("; "),
                lasts: found
                    .iter()
                    .any(|(_, diagnosis)| diagnosis.outlook == Outlook::Lasting),
            };
            diagnoses.lock().insert(cluster, known.clone());
            known
        }
    };
    match (known.text.as_str(), known.lasts) {
        ("", _) => Look::Pending(seen),
        (text, true) => Look::Stuck(format!("{seen}; {text}")),
        (text, false) => Look::Pending(format!("{seen}; {text}")),
    }
}

/// What the consoles of some late nodes say.
async fn read(context: &Context<'_>, made: &Made, access: &Access) -> Vec<(Key, Diagnosis)> {
    let (Ok(driver), Ok(ask), Ok(session)) = (context.driver(), context.ask(), context.session().await)
    else {
        return Vec::new();
    };
    let health = driver.health(ask, access).await;
    let late = health.nodes.iter().filter(|node| node.lack.is_some());
    let mut late: Vec<Key> = late.filter_map(|node| node.server.clone()).collect();
    if health.nodes.is_empty() {
        // The API does not answer: it is the control plane that is late.
        let mut servers: Vec<Key> = made
            .0
            .keys()
            .filter(|key| key.kind() == "server")
            .cloned()
            .collect();
        servers.sort_by_key(|key| !key.name().starts_with("master-"));
        late = servers;
    }
    late.truncate(NODES);
    let consoles = late.into_iter().filter_map(|key| {
        let id = made.0.get(&key)?.id.clone();
        let session = session.clone();
        Some(async move {
            match nova::console_log(&session, &id, LINES).await {
                Ok(console) => Some((key, diagnose(&console)?)),
                Err(error) => {
                    debug!(resource = %key, %error, "cannot read a console");
                    None
                }
            }
        })
    });
    join_all(consoles).await.into_iter().flatten().collect()
}
