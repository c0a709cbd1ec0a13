//! What the autoscalers of clusters ask: the service `CloudProvider` of the cluster autoscaler's protocol
//! `externalgrpc`, beside the endpoint that nodes fetch their keys from.
//!
//! An autoscaler is known by its client certificate, which names its cluster; all that it can ask is about that one.
//! What it changes is a resize like a tenant's. See `docs/adr/0015-autoscaling.md`.

mod changes;
mod groups;
mod grpc;
mod messages;
mod node;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use futures_util::FutureExt as _;
use jeroboam_metrics::Metrics;
use jeroboam_store::Standing;
use jeroboam_types::{Change, ClusterId};
use moka::future::Cache;
use prost::Message;
use tokio::sync::Semaphore;

use self::grpc::{Code, Refusal};
use crate::App;
use crate::bootstrap::Refusals;
use crate::context::Desk;
use crate::handlers::of_lookup;
use crate::request_id::RequestIds;
use crate::server::{ClientCertificate, Peer};
use crate::validate::change::{driver_of, standing};

/// Calls that are answered at once.
const AT_ONCE: usize = 64;

/// How long it is remembered that a certificate is good.
const TRUSTED_FOR: Duration = Duration::from_secs(10);

/// How long what is read of a cluster answers questions about each of its nodes. Every round of an autoscaler begins with
/// `Refresh`, which reads it anew, and so does every change.
const SEEN_FOR: Duration = Duration::from_secs(3);

/// Clusters that are remembered.
const MOST_CLUSTERS: u64 = 1_000;

/// What of a flavor a node is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlavorSize {
    /// Name.
    pub name: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub ram_mib: u64,
    /// Root disk in GiB.
    pub disk_gib: u32,
}

/// Who knows autoscalers, and the cloud as their clusters see it.
pub trait Autoscalers: Send + Sync + 'static {
    /// The cluster whose autoscaler shows a certificate (DER); `None` when it is not good. The other end has proved to
    /// have its key; nothing else of it was checked.
    ///
    /// # Errors
    /// What an operator should read.
    fn cluster_of(
        &self,
        certificate: &[u8],
    ) -> impl Future<Output = Result<Option<ClusterId>, String>> + Send;

    /// A flavor by its id; `None` when there is none.
    ///
    /// # Errors
    /// What an operator should read.
    fn flavor(
        &self,
        cluster: ClusterId,
        id: &str,
    ) -> impl Future<Output = Result<Option<FlavorSize>, String>> + Send;
}

/// The routes of the service. They need connections by HTTP/2 whose client may show a certificate.
pub fn autoscaler_router(app: App, metrics: Metrics, autoscalers: impl Autoscalers) -> Router {
    let service = Arc::new(Service {
        app,
        metrics,
        autoscalers,
        refusals: Refusals::default(),
        places: Semaphore::new(AT_ONCE),
        trusted: Cache::builder()
            .max_capacity(MOST_CLUSTERS)
            .time_to_live(TRUSTED_FOR)
            .build(),
        seen: Cache::builder()
            .max_capacity(MOST_CLUSTERS)
            .time_to_live(SEEN_FOR)
            .build(),
    });
    Router::new()
        .route(
            "/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/{call}",
            post(answer),
        )
        .with_state(service)
}

struct Service<A> {
    app: App,
    metrics: Metrics,
    autoscalers: A,
    refusals: Refusals,
    places: Semaphore,
    /// Clusters by the SHA-256 of their certificates.
    trusted: Cache<[u8; 32], ClusterId>,
    seen: Cache<ClusterId, Arc<Standing>>,
}

/// The calls of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    NodeGroups,
    NodeGroupForNode,
    GpuLabel,
    GetAvailableGpuTypes,
    Cleanup,
    Refresh,
    TargetSize,
    IncreaseSize,
    DeleteNodes,
    DecreaseTargetSize,
    Nodes,
    TemplateNodeInfo,
    GetOptions,
    /// Those about prices, which no cloud tells us, and what later releases may add.
    Unknown,
}

impl Call {
    fn named(name: &str) -> Self {
        match name {
            "NodeGroups" => Self::NodeGroups,
            "NodeGroupForNode" => Self::NodeGroupForNode,
            "GPULabel" => Self::GpuLabel,
            "GetAvailableGPUTypes" => Self::GetAvailableGpuTypes,
            "Cleanup" => Self::Cleanup,
            "Refresh" => Self::Refresh,
            "NodeGroupTargetSize" => Self::TargetSize,
            "NodeGroupIncreaseSize" => Self::IncreaseSize,
            "NodeGroupDeleteNodes" => Self::DeleteNodes,
            "NodeGroupDecreaseTargetSize" => Self::DecreaseTargetSize,
            "NodeGroupNodes" => Self::Nodes,
            "NodeGroupTemplateNodeInfo" => Self::TemplateNodeInfo,
            "NodeGroupGetOptions" => Self::GetOptions,
            _ => Self::Unknown,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::NodeGroups => "NodeGroups",
            Self::NodeGroupForNode => "NodeGroupForNode",
            Self::GpuLabel => "GPULabel",
            Self::GetAvailableGpuTypes => "GetAvailableGPUTypes",
            Self::Cleanup => "Cleanup",
            Self::Refresh => "Refresh",
            Self::TargetSize => "NodeGroupTargetSize",
            Self::IncreaseSize => "NodeGroupIncreaseSize",
            Self::DeleteNodes => "NodeGroupDeleteNodes",
            Self::DecreaseTargetSize => "NodeGroupDecreaseTargetSize",
            Self::Nodes => "NodeGroupNodes",
            Self::TemplateNodeInfo => "NodeGroupTemplateNodeInfo",
            Self::GetOptions => "NodeGroupGetOptions",
            Self::Unknown => "other",
        }
    }

    const fn is_change(self) -> bool {
        matches!(
            self,
            Self::IncreaseSize | Self::DeleteNodes | Self::DecreaseTargetSize
        )
    }
}

/// A call of a known cluster.
struct Asked<'a> {
    app: &'a App,
    ids: &'a RequestIds,
}

impl Desk for Asked<'_> {
    fn app(&self) -> &App {
        self.app
    }

    fn ids(&self) -> &RequestIds {
        self.ids
    }
}

async fn answer<A: Autoscalers>(
    State(service): State<Arc<Service<A>>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    if !grpc::is_call(&parts) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (call, ids) = (Call::named(&name), RequestIds::new(&parts.headers));
    let mut cluster = None;
    let work = service.handle(call, &parts, body, &ids, &mut cluster);
    let work = AssertUnwindSafe(tokio::time::timeout(grpc::time_limit(&parts.headers), work)).catch_unwind();
    let outcome = match work.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => {
            let text = "the service does not answer in time";
            Err(Refusal::new(Code::DeadlineExceeded, text))
        }
        Err(_) => Err(Refusal {
            cause: Some("panic".to_owned()),
            ..Refusal::new(Code::Internal, "the service met an unexpected condition")
        }),
    };
    let elapsed = started.elapsed();
    let code = outcome.as_ref().err().map_or(Code::Ok, |refusal| refusal.code);
    service
        .metrics
        .autoscaler()
        .answered(call.as_str(), code.as_str(), elapsed);
    log(&Line {
        call,
        code,
        ids: &ids,
        cluster,
        parts: &parts,
        elapsed,
        refusal: outcome.as_ref().err(),
    });
    grpc::respond(outcome.map_err(|mut refusal| {
        // So that a tenant can name it, as with every answer of the API.
        refusal.message = format!("{} ({})", refusal.message, ids.local);
        refusal
    }))
}

/// What is logged of a call.
struct Line<'a> {
    call: Call,
    code: Code,
    ids: &'a RequestIds,
    cluster: Option<ClusterId>,
    parts: &'a Parts,
    elapsed: Duration,
    refusal: Option<&'a Refusal>,
}

/// One line for each change and each refusal; what is only read is told to who debugs.
fn log(line: &Line<'_>) {
    let cluster = line
        .cluster
        .map(|cluster| cluster.to_string())
        .unwrap_or_default();
    let address = line.parts.extensions.get::<Peer>().and_then(|peer| peer.address);
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    let (call, code, request_id) = (line.call.as_str(), line.code.as_str(), line.ids.local.as_str());
    let elapsed_ms = u64::try_from(line.elapsed.as_millis()).unwrap_or(u64::MAX);
    let refusal = line.refusal.map(|refusal| refusal.message.as_str());
    let cause = line.refusal.and_then(|refusal| refusal.cause.as_deref());
    macro_rules! write {
        ($level:ident) => {
            tracing::$level!(
                cluster.id = cluster,
                request_id,
                address,
                call,
                code,
                elapsed_ms,
                refusal,
                cause,
                "an autoscaler was answered"
            )
        };
    }
    match line.code {
        Code::Internal => write!(error),
        Code::Unavailable | Code::DeadlineExceeded => write!(warn),
        Code::Ok if !line.call.is_change() => write!(debug),
        Code::Unimplemented => write!(debug),
        _ => write!(info),
    }
}

impl<A: Autoscalers> Service<A> {
    async fn handle(
        &self,
        call: Call,
        parts: &Parts,
        body: Body,
        ids: &RequestIds,
        learnt: &mut Option<ClusterId>,
    ) -> Result<Vec<u8>, Refusal> {
        // Never closed.
        let _place = self.places.acquire().await.map_err(Refusal::unavailable)?;
        let cluster = self.authenticate(parts).await?;
        *learnt = Some(cluster);
        let message = grpc::read(body).await?;
        let asked = Asked { app: &self.app, ids };
        self.perform(call, cluster, &asked, &message).await
    }

    /// The cluster whose autoscaler asks.
    async fn authenticate(&self, parts: &Parts) -> Result<ClusterId, Refusal> {
        let address = parts.extensions.get::<Peer>().and_then(|peer| peer.address);
        if !self.refusals.may_ask(address, Instant::now()) {
            let text = "too many refused calls from this address: wait a minute";
            return Err(Refusal::new(Code::ResourceExhausted, text));
        }
        let refused = |text: &str| {
            self.refusals.note(address, Instant::now());
            Err(Refusal::new(Code::Unauthenticated, text))
        };
        let Some(ClientCertificate(certificate)) = parts.extensions.get::<ClientCertificate>() else {
            return refused("a client certificate is needed");
        };
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, certificate).as_ref());
        if let Some(cluster) = self.trusted.get(&key).await {
            return Ok(cluster);
        }
        match self.autoscalers.cluster_of(certificate).await {
            Ok(Some(cluster)) => {
                self.trusted.insert(key, cluster).await;
                Ok(cluster)
            }
            Ok(None) => refused("the certificate is not good, or not any more"),
            Err(cause) => Err(Refusal::unavailable(cause)),
        }
    }

    async fn perform(
        &self,
        call: Call,
        cluster: ClusterId,
        asked: &Asked<'_>,
        message: &Bytes,
    ) -> Result<Vec<u8>, Refusal> {
        let nothing = || Ok(encoded(&messages::Nothing {}));
        match call {
            Call::Refresh => {
                self.seen.invalidate(&cluster).await;
                // An autoscaler whose `Refresh` fails leaves out this round, and backs off from nothing.
                let now = standing(asked, cluster, Change::Resize).await?;
                self.seen.insert(cluster, Arc::new(now)).await;
                nothing()
            }
            Call::NodeGroups => {
                let standing = self.standing(cluster).await?;
                let node_groups = groups::autoscaled(&standing).map(groups::rendered).collect();
                Ok(encoded(&messages::NodeGroups { node_groups }))
            }
            Call::NodeGroupForNode => {
                let node = grpc::decode::<messages::ForNode>(message)?
                    .node
                    .unwrap_or_default();
                let standing = self.standing(cluster).await?;
                // Without an id: the node is none that the autoscaler may touch.
                let node_group = groups::of_node(&standing, &node).map(groups::rendered);
                let node_group = Some(node_group.unwrap_or_default());
                Ok(encoded(&messages::GroupOfNode { node_group }))
            }
            Call::TargetSize => {
                let named: messages::Named = grpc::decode(message)?;
                let standing = self.standing(cluster).await?;
                let target_size = groups::named(&standing, &named.id)?.node_count;
                Ok(encoded(&messages::TargetSize { target_size }))
            }
            Call::Nodes => {
                let named: messages::Named = grpc::decode(message)?;
                let standing = self.standing(cluster).await?;
                let instances = groups::instances(&standing, groups::named(&standing, &named.id)?);
                Ok(encoded(&messages::Instances { instances }))
            }
            Call::IncreaseSize => {
                let wanted = grpc::decode(message)?;
                let done = changes::increase(asked, cluster, &wanted).await;
                self.seen.invalidate(&cluster).await;
                done.and_then(|()| nothing())
            }
            Call::DecreaseTargetSize => {
                let wanted = grpc::decode(message)?;
                let done = changes::decrease(asked, cluster, &wanted).await;
                self.seen.invalidate(&cluster).await;
                done.and_then(|()| nothing())
            }
            Call::DeleteNodes => {
                let wanted = grpc::decode(message)?;
                let done = changes::delete(asked, cluster, &wanted).await;
                self.seen.invalidate(&cluster).await;
                done.and_then(|()| nothing())
            }
            Call::TemplateNodeInfo => {
                let named: messages::Named = grpc::decode(message)?;
                self.template(cluster, asked, &named.id).await
            }
            // No options: the autoscaler takes its own. What is left out of options would be zero.
            Call::GetOptions | Call::Cleanup | Call::GpuLabel | Call::GetAvailableGpuTypes => nothing(),
            Call::Unknown => Err(Refusal::new(Code::Unimplemented, "this service has no such call")),
        }
    }

    async fn template(&self, cluster: ClusterId, asked: &Asked<'_>, id: &str) -> Result<Vec<u8>, Refusal> {
        let standing = self.standing(cluster).await?;
        let (ask, group) = (&standing.ask, groups::named(&standing, id)?);
        let unknown = |text: &str| Err(Refusal::new(Code::Unimplemented, text));
        let Some(marks) = driver_of(asked, &ask.template)?.node_marks(ask, group) else {
            return unknown("the nodes of this cluster are not known before they are there");
        };
        let flavor = ask.revision(group).flavor_id;
        match self.autoscalers.flavor(cluster, &flavor).await {
            Ok(Some(flavor)) => Ok(encoded(&node::template(ask, group, marks, &flavor))),
            Ok(None) => unknown("the flavor of these nodes is not there any more"),
            Err(cause) => Err(Refusal::unavailable(cause)),
        }
    }

    /// The cluster as it was some seconds ago at most.
    async fn standing(&self, cluster: ClusterId) -> Result<Arc<Standing>, Refusal> {
        if let Some(seen) = self.seen.get(&cluster).await {
            return Ok(seen);
        }
        let now = self.app.store.clusters().standing(cluster).await;
        let now = now.map_err(|error| of_lookup(error, "Cluster", "clusters", &cluster.to_string()))?;
        let now = Arc::new(now);
        self.seen.insert(cluster, Arc::clone(&now)).await;
        Ok(now)
    }
}

fn encoded(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}
