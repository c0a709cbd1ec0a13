//! Starting and stopping the simulator, and driving it from Rust.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jeroboam_simnodes::Machines;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::counts::CallCounts;
use crate::faults::Faults;
use crate::service::Service;
use crate::usage::{self, Usage};
use crate::world::{EXTERNAL_CIDR, Pace, World};
use crate::{clock, keystone, pipeline, realize, server};

/// What a Nova server is made of.
#[derive(Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "made once for each simulator")]
pub enum Nodes {
    /// A row that turns ACTIVE after [`Pace::server_build_ms`].
    #[default]
    StateOnly,
    /// A machine that boots on this host; networks, floating IPs and load balancers carry traffic.
    Real {
        /// Where they are made. Closed by [`SimCloud::stop`].
        machines: Machines,
    },
}

/// How to start.
#[derive(Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Seed of ids and faults.
    pub seed: u64,
    /// Durations of asynchronous work.
    pub pace: Pace,
    /// What servers are made of.
    pub nodes: Nodes,
    /// Host in the catalog's URLs, if not the one that it listens on.
    pub catalog_host: Option<String>,
    /// URL of the container-infra endpoint, such as `http://127.0.0.1:9511/v1`.
    pub container_infra_url: Option<String>,
    /// Quotas so large that thousands of servers fit, instead of Nova's defaults (10 instances, 20 cores).
    pub roomy: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            seed: 0,
            pace: Pace::default(),
            nodes: Nodes::StateOnly,
            catalog_host: None,
            container_infra_url: None,
            roomy: false,
        }
    }
}

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// No subnet for the external network is free on this host.
    #[error("could not find a subnet for the external network")]
    Subnet(#[source] jeroboam_simnodes::Error),
}

/// A call that is done after its caller was cut off.
struct LateCall {
    due_ms: i64,
    service: Service,
    call: Call,
}

/// What connections, background work and the handle share.
pub(crate) struct Shared {
    pub(crate) base: String,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    counts: Mutex<CallCounts>,
    requests: AtomicU64,
    late: Mutex<Vec<LateCall>>,
    pub(crate) machines: Option<Arc<Machines>>,
    pub(crate) changed: Notify,
}

impl Shared {
    /// Runs `work` on the world as it is now: asynchronous work whose time has come is done first.
    pub(crate) fn with_world<R>(&self, work: impl FnOnce(&mut World) -> R) -> R {
        let result = self.with_world_unannounced(work);
        self.changed.notify_one();
        result
    }

    /// As [`Self::with_world`], for the one who would be told of changes.
    pub(crate) fn with_world_unannounced<R>(&self, work: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = clock::now_ms();
        world.advance(now_ms);
        for mut late in self.late_calls(now_ms) {
            // Nobody waits for the answer.
            let _ = pipeline::dispatch(&mut world, late.service, &mut late.call);
        }
        work(&mut world)
    }

    /// Keeps a call whose caller has been cut off, to be done once `pause` is over.
    pub(crate) fn do_later(&self, pause: Duration, service: Service, call: Call) {
        let due_ms = clock::now_ms().saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.push(LateCall {
            due_ms,
            service,
            call,
        });
    }

    fn late_calls(&self, now_ms: i64) -> Vec<LateCall> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.extract_if(.., |call| call.due_ms <= now_ms).collect()
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, CallCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reseed(&self, seed: u64) {
        self.faults().reseed(seed);
        self.with_world(|world| world.rng = fastrand::Rng::with_seed(seed));
    }

    /// `req-<uuid>`. Not drawn from the seeded generator: a retried call must not shift the ids of what follows.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let bytes = (u128::from(fastrand::u64(..)) << 64) | u128::from(number);
        let id = uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid();
        format!("req-{id}")
    }
}

/// A running simulator. Dropping it stops it without waiting.
pub struct SimCloud {
    shared: Arc<Shared>,
    address: SocketAddr,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl SimCloud {
    /// Seeds a cloud and starts to serve it. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let host = options
            .catalog_host
            .clone()
            .unwrap_or_else(|| match address.ip() {
                ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
                ip @ IpAddr::V4(_) => ip.to_string(),
            });
        let mut world = World::new(options.seed, options.pace, clock::now_ms(), options.roomy);
        let machines = match options.nodes {
            Nodes::StateOnly => None,
            Nodes::Real { machines } => Some(Arc::new(machines)),
        };
        if machines.is_some() {
            let (address, length) = jeroboam_simnodes::free_external_subnet().map_err(StartError::Subnet)?;
            world.real_nodes = true;
            world.seed(&format!("{address}/{length}"));
        } else {
            world.seed(EXTERNAL_CIDR);
        }
        if let Some(url) = &options.container_infra_url {
            keystone::set_endpoint(&mut world, "container-infra", url);
        }
        let shared = Arc::new(Shared {
            base: format!("http://{host}:{}", address.port()),
            world: Mutex::new(world),
            faults: Mutex::new(Faults::new(options.seed)),
            counts: Mutex::default(),
            requests: AtomicU64::default(),
            late: Mutex::default(),
            machines,
            changed: Notify::new(),
        });
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(server::accept(
            listener,
            Arc::clone(&shared),
            cancel.clone(),
            tasks.clone(),
        ));
        if let Some(machines) = &shared.machines {
            tasks.spawn(realize::run(
                Arc::clone(&shared),
                Arc::clone(machines),
                cancel.clone(),
            ));
        }
        Ok(Self {
            shared,
            address,
            cancel,
            tasks,
        })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`.
    pub fn base_url(&self) -> &str {
        &self.shared.base
    }

    /// Keystone's URL: `http://host:port/identity/v3`.
    pub fn auth_url(&self) -> String {
        format!("{}/identity/v3", self.shared.base)
    }

    /// Looks at the world or changes it, under its lock.
    pub fn with_world<R>(&self, work: impl FnOnce(&mut World) -> R) -> R {
        self.shared.with_world(work)
    }

    /// The fault rules; calls wait while the guard is held.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults()
    }

    /// What exists beyond the seed.
    pub fn usage(&self) -> Usage {
        self.shared.with_world(|world| usage::leftovers(world))
    }

    /// Calls since the start or [`Self::reset_counts`].
    pub fn calls(&self) -> CallCounts {
        self.shared.counts().clone()
    }

    /// Forgets the calls so far.
    pub fn reset_counts(&self) {
        *self.shared.counts() = CallCounts::default();
    }

    /// Address by which real machines reach this host; `None` without such machines.
    pub fn host_address(&self) -> Option<Ipv4Addr> {
        self.shared.machines.as_ref()?;
        self.with_world(|world| {
            let neutron = &world.neutron;
            let external = neutron
                .networks
                .iter()
                .find(|(_, network)| network.is_external)?
                .0;
            let mut subnets = neutron.subnets.values();
            subnets.find(|subnet| subnet.network_id == *external)?.gateway_ip
        })
    }

    /// Sets the container-infra endpoint in the catalog.
    pub fn set_container_infra(&self, url: &str) {
        self.shared
            .with_world(|world| keystone::set_endpoint(world, "container-infra", url));
    }

    /// Stops listening, closes the connections and waits until nothing of it runs any more. Real machines and
    /// networks are removed.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(machines) = &self.shared.machines {
            machines.close().await;
        }
    }
}

impl Drop for SimCloud {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
