//! The service: starts the parts in an order in which a failure leaves nothing half written, and stops them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jeroboam_api::{App, Server, Tls};
use jeroboam_cloud::Connector;
use jeroboam_config::Config;
use jeroboam_engine::{Clock, Engine, Parts, SystemClock};
use jeroboam_metrics::Metrics;
use jeroboam_pki::{Keyring, kid_of};
use jeroboam_store::{Store, StoreError};
use jeroboam_types::Millis;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::bootstrap::Bootstrap;
use crate::cli::Configuration;
use crate::clocks::Clocks;
use crate::logging::{Log, Logging};
use crate::systemd::Manager;
use crate::{addons, bootstrap, configuration, drivers, listen, logging, metrics};

/// How often the certificate's files are looked at for a change.
const TLS_LOOK: Duration = Duration::from_secs(10);

/// Name of the service's row in the list of services: clients know this one.
const BINARY: &str = "magnum-conductor";

/// Runs until SIGTERM or SIGINT.
pub async fn serve(arguments: &Configuration, stop_with_parent: bool) -> anyhow::Result<()> {
    if stop_with_parent {
        let signal = Some(rustix::process::Signal::TERM);
        rustix::process::set_parent_process_death_signal(signal)
            .context("cannot watch the parent process")?;
    }
    let config = Arc::new(configuration::load(arguments)?);
    let manager = Manager::of_environment();
    let log = logging::start(&Logging::new(&config.default))?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let mut options = configuration::engine(&config)?;
    options.validate()?;
    Store::check_url(config.database.connection.expose_secret())?;
    jeroboam_api::check_policy(&config)?;
    let drivers = drivers::all(&config)?;

    let tls = listen::tls(&config)?;
    let metrics = Metrics::default();

    // What is not ours first: nothing is written before it is known to answer.
    let connector = connector(&config, &metrics)?;
    let service = connector.session(configuration::service_user(&config)?);
    let trustee_admin = connector.session(configuration::trustee_admin(&config)?);
    let keystone = configuration::cloud(&config)?.auth_url;
    let failed = |who: &str| format!("cannot log in to Keystone at {keystone} as {who}");
    service
        .token()
        .await
        .with_context(|| failed("the service's user"))?;
    trustee_admin
        .token()
        .await
        .with_context(|| failed("the trustee domain's administrator"))?;
    let listeners = listen::listeners(&config, tls.as_ref()).await?;
    let scrapes = metrics::bind(config.metrics.listen.as_deref()).await?;

    configuration::private_directory(&config.default.state_path)?;
    let lock = lock(&config)?;
    let (endpoint, desk, renewable) = match bootstrap::open(&config).await? {
        Some(Bootstrap {
            endpoint,
            listener,
            renewable,
        }) => (Some(endpoint), vec![listener], renewable),
        None => (None, Vec::new(), None),
    };
    options.bootstrap = endpoint;
    let key_file = &config.certificates.master_key_file;
    if key_file.exists() {
        Keyring::open(key_file)?;
    }
    let store = store(&config).await?;
    let keyring = Arc::new(keyring(&store, key_file).await?);
    // The lock proves that no other process of this state directory is alive: what it held is ours to go on with.
    options.owner = format!("{}/{}", config.default.host, instance(&config)?);
    store.engine().release_all(&options.owner).await?;

    let warnings = drivers::warnings(&drivers, &config.drivers).into_iter();
    for warning in warnings.chain(addons::warnings(&config)?) {
        warn!("{warning}");
    }
    let wake = Arc::new(Notify::new());
    let shutdown = CancellationToken::new();
    let engine = Engine::new(Parts {
        store: store.clone(),
        connector,
        service,
        trustee_admin,
        drivers: drivers.clone(),
        keyring: Arc::clone(&keyring),
        clock: Arc::new(SystemClock),
        options,
    })?
    .with_metrics(metrics.clone());
    // A connector of its own: calls of the engine that hang must not keep tenants from being answered.
    let connector = self::connector(&config, &metrics)?;
    let app = App {
        store: store.clone(),
        service: connector.session(configuration::service_user(&config)?),
        connector,
        drivers,
        keyring,
        config: Arc::clone(&config),
        wake: Arc::clone(&wake),
        clock: || SystemClock.now(),
    };
    let nodes = bootstrap::router(engine.clone(), app.clone(), metrics.clone());
    let router = jeroboam_api::router_with(app, metrics.clone());
    stop_on_signals(shutdown.clone(), manager.clone())?;
    let renewing = renew_on_signal(&log, tls, metrics.clone(), shutdown.clone())?;
    for listener in &listeners {
        info!(address = %listener, "ready");
    }
    manager.tell("READY=1");
    let lease = Duration::from_secs(config.engine.lease_secs);
    let clocks = Clocks::new(store.clone(), metrics.clone(), lease);
    let heartbeat = heartbeat(store.clone(), clocks, &config, shutdown.clone());
    let limit = config.default.graceful_shutdown_timeout;
    let server = Server {
        listeners,
        drain: (!limit.is_zero()).then_some(limit),
        metrics: Some(metrics.clone()),
    };
    for listener in &desk {
        info!(address = %listener, "nodes fetch their keys here");
    }
    let desk = Server {
        listeners: desk,
        drain: server.drain,
        metrics: None,
    };
    let hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    let ended = CancellationToken::new();
    let work = async {
        tokio::join!(
            server.run(router, shutdown.clone()),
            engine.run(wake, shutdown.clone()),
            desk.run(nodes, shutdown.clone()),
            bootstrap::renew(renewable, hangup, shutdown.clone()),
            heartbeat,
            renewing,
            jeroboam_heap::keep_small(shutdown.clone()),
            metrics::serve(
                scrapes,
                metrics.clone(),
                store.clone(),
                config.database.max_pool_size,
                shutdown.clone()
            ),
        );
        ended.cancel();
    };
    tokio::join!(work, manager.keep_watchdog(ended.clone()));
    store.close().await?;
    drop(lock);
    info!("stopped");
    Ok(())
}

/// On SIGHUP opens the log file anew and reads the certificate again; the latter also when its files have changed.
fn renew_on_signal(
    log: &Log,
    tls: Option<Arc<Tls>>,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    Ok(async move {
        let mut look = tokio::time::interval(TLS_LOOK);
        loop {
            if let Some(end) = tls.as_deref().and_then(Tls::not_after) {
                metrics.http().shows_certificate(end);
            }
            let renewed = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = look.tick() => tls.as_deref().map_or(Ok(false), Tls::reload_if_changed),
                _ = hangup.recv() => {
                    if let Err(error) = log.reopen() {
                        warn!(error = format!("{error:#}"), "the log goes on where it was");
                    }
                    info!("SIGHUP: the log file was opened anew");
                    tls.as_deref().map_or(Ok(false), |tls| tls.reload().map(|()| true))
                }
            };
            match renewed {
                Ok(true) => info!("the certificate was read again"),
                Ok(false) => {}
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::error!(error, "the new certificate cannot be used; the old one serves on");
                }
            }
        }
    })
}

/// An error of the database with its cause, for the operator alone.
pub fn told(error: StoreError) -> anyhow::Error {
    match error.cause() {
        Some(cause) => anyhow::anyhow!("{error}: {cause}"),
        None => error.into(),
    }
}

/// Opens the master keys, or makes them for a database without secrets. Secrets that none of the keys opens mean
/// that the wrong file is here, and a new one would only hide it.
async fn keyring(store: &Store, path: &Path) -> anyhow::Result<Keyring> {
    let used = store
        .engine()
        .sealing_keys(|sealed| kid_of(sealed).map(str::to_owned))
        .await
        .map_err(told)?;
    if !path.exists() && !used.is_empty() {
        bail!(
            "master key file {} is missing, and the database holds secrets that it sealed",
            path.display()
        );
    }
    let keyring = Keyring::open_or_create(path)?;
    if let Some(missing) = used.iter().find(|kid| !keyring.kids().contains(&kid.as_str())) {
        bail!(
            "master key file {} lacks key {missing}, which the database's secrets need",
            path.display()
        );
    }
    Ok(keyring)
}

/// Connects; an embedded database is brought up to date at once, a shared one only when asked.
pub async fn store(config: &Config) -> anyhow::Result<Store> {
    let url = config.database.connection.expose_secret();
    let store = connected(config, url).await?;
    if url.starts_with("sqlite") {
        store.migrate().await.map_err(told)?;
    } else if store.needs_migration().await.map_err(told)? {
        bail!("the database's schema is not up to date; run `jeroboam db`");
    }
    Ok(store)
}

/// Connects to the database, again and again while it cannot be reached.
async fn connected(config: &Config, url: &str) -> anyhow::Result<Store> {
    let section = &config.database;
    let mut failures = 0;
    loop {
        let error = match Store::connect(url, section.max_pool_size).await {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        failures += 1;
        let again = section.max_retries < 0 || failures <= section.max_retries;
        if !again || !matches!(error, StoreError::Unavailable(_)) {
            return Err(told(error));
        }
        warn!(%error, cause = error.cause(), "cannot reach the database; trying again");
        tokio::time::sleep(section.retry_interval).await;
    }
}

fn connector(config: &Config, metrics: &Metrics) -> anyhow::Result<Connector> {
    let mut options = configuration::cloud(config)?;
    options.metrics = Some(metrics.clone());
    Ok(Connector::new(options, config.engine.parallel_calls as usize)?)
}

/// Name of this state directory, made at the first start: two processes of one host with a directory each must
/// not take each other's leases.
fn instance(config: &Config) -> anyhow::Result<String> {
    let path = config.default.state_path.join("instance");
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        Ok(_) => bail!("{} is empty", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = uuid::Uuid::new_v4().simple().to_string();
            let unfinished = path.with_extension("new");
            std::fs::write(&unfinished, &name)
                .and_then(|()| std::fs::rename(&unfinished, &path))
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(name)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// One engine for each state directory.
pub fn lock(config: &Config) -> anyhow::Result<std::fs::File> {
    let path = config.default.state_path.join("engine.lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => bail!("another process works in {}", config.default.state_path.display()),
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn stop_on_signals(shutdown: CancellationToken, manager: Manager) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    // Ends with the process: there is nothing in it that must be finished.
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = shutdown.cancelled() => {}
        }
        manager.tell("STOPPING=1");
        shutdown.cancel();
    });
    Ok(())
}

/// Tells that the service lives, for `openstack coe service list`, and does what else is to be done from time to time.
async fn heartbeat(store: Store, mut clocks: Clocks, config: &Config, shutdown: CancellationToken) {
    let host = &config.default.host;
    let mut beat = tokio::time::interval(config.default.periodic_interval_max);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = beat.tick() => {}
        }
        if let Err(error) = store.services().heartbeat(host, BINARY, chrono::Utc::now()).await {
            warn!(%error, "cannot record the heartbeat");
        }
        clocks.compare().await;
        let kept = i64::try_from(jeroboam_api::ANSWERS_KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
        let before = Millis(SystemClock.now().0.saturating_sub(kept));
        if let Err(error) = store.answers().forget(before).await {
            warn!(%error, "cannot remove old answers");
        }
    }
}
