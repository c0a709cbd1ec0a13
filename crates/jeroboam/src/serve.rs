//! The service: starts the parts in an order in which a failure leaves nothing half written, and stops them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jeroboam_api::App;
use jeroboam_cloud::Connector;
use jeroboam_config::Config;
use jeroboam_driver::{Driver, Drivers};
use jeroboam_engine::{Clock, Engine, Parts, SystemClock};
use jeroboam_pki::Keyring;
use jeroboam_store::Store;
use rustix::fs::{FlockOperation, flock};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::Configuration;
use crate::{configuration, logging};

/// How often the service tells that it lives, for `openstack coe service list`.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Name of the service's row in the list of services: clients know this one.
const BINARY: &str = "magnum-conductor";

/// Runs until SIGTERM or SIGINT.
pub async fn serve(arguments: &Configuration) -> anyhow::Result<()> {
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
    service
        .token()
        .await
        .context("cannot log in to Keystone as the service")?;
    trustee_admin
        .token()
        .await
        .context("cannot log in to Keystone as the trustee domain's administrator")?;
    let address = (config.api.host.as_str(), config.api.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {}:{}", config.api.host, config.api.port))?;

    configuration::private_directory(&config.default.state_path)?;
    let lock = lock(&config)?;
    let store = store(&config).await?;
    let keyring = Arc::new(Keyring::open_or_create(&config.certificates.master_key_file)?);
    // The lock proves that no other process of this state directory is alive: what it held is ours to go on with.
    options.owner = format!("{}/{}", config.default.host, instance(&config)?);
    store.engine().release_all(&options.owner).await?;

    let enabled = |driver: &Arc<dyn Driver>| {
        !config
            .drivers
            .disabled_drivers
            .iter()
            .any(|name| name == driver.name())
    };
    let drivers: Vec<Arc<dyn Driver>> = vec![Arc::new(jeroboam_swarm::SwarmDriver)];
    let drivers = Drivers::new(drivers.into_iter().filter(enabled).collect());
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

/// Connects; an embedded database is brought up to date at once, a shared one only when asked.
pub async fn store(config: &Config) -> anyhow::Result<Store> {
    let url = config.database.connection.expose_secret();
    let store = Store::connect(url, config.database.max_pool_size).await?;
    if url.starts_with("sqlite") {
        store.migrate().await?;
    } else if store.needs_migration().await? {
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
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("another process works in {}", config.default.state_path.display()))?;
    Ok(file)
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
    }
}
