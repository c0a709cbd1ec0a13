//! The service: starts the parts in an order in which a failure leaves nothing half written, and stops them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jeroboam_api::App;
use jeroboam_cloud::Connector;
use jeroboam_config::Config;
use jeroboam_engine::{Clock, Engine, Parts, SystemClock};
use jeroboam_pki::{Keyring, kid_of};
use jeroboam_store::{Store, StoreError};
use jeroboam_types::Millis;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::Configuration;
use crate::{configuration, drivers, logging};

/// How often the service tells that it lives, for `openstack coe service list`.
const HEARTBEAT: Duration = Duration::from_secs(60);

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
    logging::start(&logging::Logging {
        debug: config.default.debug,
        json: config.default.use_json,
        file: config.default.log_file.as_deref(),
    })?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let mut options = configuration::engine(&config)?;
    options.validate()?;
    Store::check_url(config.database.connection.expose_secret())?;

    // What is not ours first: nothing is written before it is known to answer.
    let connector = Connector::new(
        configuration::cloud(&config)?,
        config.engine.parallel_calls as usize,
    )?;
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
    let address = (config.api.host.as_str(), config.api.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {}:{}", config.api.host, config.api.port))?;

    configuration::private_directory(&config.default.state_path)?;
    let lock = lock(&config)?;
    let key_file = &config.certificates.master_key_file;
    if key_file.exists() {
        Keyring::open(key_file)?;
    }
    let store = store(&config).await?;
    let keyring = Arc::new(keyring(&store, key_file).await?);
    // The lock proves that no other process of this state directory is alive: what it held is ours to go on with.
    options.owner = format!("{}/{}", config.default.host, instance(&config)?);
    store.engine().release_all(&options.owner).await?;

    let drivers = drivers::all();
    for warning in drivers::warnings(&drivers, &config.drivers) {
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
    })?;
    // A connector of its own: calls of the engine that hang must not keep tenants from being answered.
    let connector = self::connector(&config)?;
    let router = jeroboam_api::router(App {
        store: store.clone(),
        service: connector.session(configuration::service_user(&config)?),
        connector,
        drivers,
        keyring,
        config: Arc::clone(&config),
        wake: Arc::clone(&wake),
        clock: || SystemClock.now(),
    });
    info!(address = %listener.local_addr()?, "ready");
    stop_on_signals(shutdown.clone())?;
    let heartbeat = heartbeat(store.clone(), config.default.host.clone(), shutdown.clone());
    let api = async {
        let served = jeroboam_api::serve(listener, router, shutdown.clone()).await;
        shutdown.cancel();
        served.context("the API stopped")
    };
    let (served, (), ()) = tokio::join!(api, engine.run(wake, shutdown.clone()), heartbeat);
    store.close().await?;
    drop(lock);
    info!("stopped");
    served
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
    let store = Store::connect(url, config.database.max_pool_size)
        .await
        .map_err(told)?;
    if url.starts_with("sqlite") {
        store.migrate().await.map_err(told)?;
    } else if store.needs_migration().await.map_err(told)? {
        bail!("the database's schema is not up to date; run `jeroboam db`");
    }
    Ok(store)
}

fn connector(config: &Config) -> anyhow::Result<Connector> {
    Ok(Connector::new(
        configuration::cloud(config)?,
        config.engine.parallel_calls as usize,
    )?)
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

fn stop_on_signals(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    // Ends with the process: there is nothing in it that must be finished.
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = shutdown.cancelled() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}

async fn heartbeat(store: Store, host: String, shutdown: CancellationToken) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = beat.tick() => {}
        }
        if let Err(error) = store
            .services()
            .heartbeat(&host, BINARY, chrono::Utc::now())
            .await
        {
            warn!(%error, "cannot record the heartbeat");
        }
        let kept = i64::try_from(jeroboam_api::ANSWERS_KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
        let before = Millis(SystemClock.now().0.saturating_sub(kept));
        if let Err(error) = store.answers().forget(before).await {
            warn!(%error, "cannot remove old answers");
        }
    }
}
