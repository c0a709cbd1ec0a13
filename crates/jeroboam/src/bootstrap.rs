//! The endpoint that nodes fetch their keys from: its address, its certificate, and who answers there.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use jeroboam_api::{
    ApiCalls, App, Autoscalers, FlavorSize, Listener, LowestTls, NodeSecrets, Tls, autoscaler_router,
    bootstrap_router, relay_router,
};
use jeroboam_config::Config;
use jeroboam_engine::{BootstrapError, Clock, Endpoint, Engine, SystemClock};
use jeroboam_metrics::Metrics;
use jeroboam_pki::{Authority, LeafRequest, Purpose, RsaBits, Validity};
use jeroboam_types::ClusterId;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

/// Days of a certificate of our own. It is trusted by who was told of it, for an hour.
const OWN_DAYS: u32 = 3_650;

/// How often the certificate's files are looked at for a change.
const LOOK: Duration = Duration::from_secs(10);

/// An endpoint that is configured.
pub struct Bootstrap {
    /// What nodes are told.
    pub endpoint: Endpoint,
    /// The socket.
    pub listener: Listener,
    /// Its certificate, where that may change while what clusters trust stays.
    pub renewable: Option<Arc<Tls>>,
}

/// Opens the endpoint, if the configuration has one.
pub async fn open(config: &Config) -> anyhow::Result<Option<Bootstrap>> {
    let section = &config.bootstrap;
    let (url, listen) = match (&section.url, &section.listen) {
        (None, None) => return Ok(None),
        (Some(url), Some(listen)) => (url, listen),
        _ => bail!("[bootstrap] needs both url and listen"),
    };
    let (certificate, key) = match (&section.cert_file, &section.key_file) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        (None, None) => own(config, url).await?,
        _ => bail!("[bootstrap] needs both cert_file and key_file, or none of them"),
    };
    let trusted = section.trust_file.as_ref().unwrap_or(&certificate);
    let authority =
        std::fs::read_to_string(trusted).with_context(|| format!("cannot read {}", trusted.display()))?;
    let tls = Tls::load_for_clusters(&certificate, &key, LowestTls::V12)
        .context("[bootstrap] cert_file and key_file")?;
    let tls = Arc::new(tls);
    let socket = TcpListener::bind(listen.as_str())
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    Ok(Some(Bootstrap {
        endpoint: Endpoint {
            url: url.clone(),
            authority,
            token_life: Duration::from_secs(section.token_life_secs),
        },
        renewable: section.trust_file.is_some().then(|| Arc::clone(&tls)),
        listener: Listener::tcp(socket, Some(tls)),
    }))
}

/// Reads the certificate again on SIGHUP, and when its files have changed: autoscalers come back for as long as their
/// clusters live.
pub async fn renew(tls: Option<Arc<Tls>>, mut hangup: Signal, shutdown: CancellationToken) {
    let Some(tls) = tls else { return };
    let mut look = tokio::time::interval(LOOK);
    loop {
        let renewed = tokio::select! {
            () = shutdown.cancelled() => return,
            _ = look.tick() => tls.reload_if_changed(),
            _ = hangup.recv() => tls.reload().map(|()| true),
        };
        match renewed {
            Ok(true) => info!("the certificate of the nodes' endpoint was read again"),
            Ok(false) => {}
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::error!(
                    error,
                    "the new certificate of the nodes' endpoint cannot be used; the old one serves on"
                );
            }
        }
    }
}

/// Certificate and key of our own for the URL's host, made at the first start.
async fn own(config: &Config, url: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let host = host_of(url).to_owned();
    let directory = config.default.state_path.join("bootstrap");
    let place = |end: &str| directory.join(format!("{}.{end}", host.replace(':', "_")));
    let (certificate, key) = (place("crt"), place("key"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    crate::configuration::private_directory(&directory)?;
    let made = tokio::task::spawn_blocking(move || make(&host)).await;
    let (certificate_pem, key_pem) = made.context("the key generator died")??;
    write(&key, key_pem.expose_secret())?;
    write(&certificate, &certificate_pem)?;
    Ok((certificate, key))
}

/// A certificate and the authority that vouches for it, whose key is forgotten here.
fn make(host: &str) -> anyhow::Result<(String, SecretString)> {
    let validity = Validity::days(SystemClock.now().0 / 1_000, OWN_DAYS);
    let authority = Authority::generate("Jeroboam nodes", Purpose::Node, RsaBits::Rsa2048, validity)?;
    let address: Option<IpAddr> = host.parse().ok();
    let issued = authority.issue(&LeafRequest {
        common_name: host.chars().take(64).collect(),
        organizations: Vec::new(),
        dns: address.is_none().then(|| host.to_owned()).into_iter().collect(),
        ips: address.into_iter().collect(),
        server: true,
        client: false,
        validity,
    })?;
    let chain = format!(
        "{}\n{}\n",
        issued.certificate_pem.trim_end(),
        authority.certificate_pem.trim_end()
    );
    Ok((chain, issued.key_pem))
}

/// Writes a file that only this user may read, whole or not at all.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let unfinished = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished);
    file.and_then(|mut file| file.write_all(format!("{}\n", text.trim_end()).as_bytes()))
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Host of `https://host:port`.
fn host_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => rest.split(':').next().unwrap_or_default(),
    }
}

/// Routes of the endpoint.
pub fn router(engine: Engine, app: App, metrics: Metrics) -> Router {
    bootstrap_router(Desk(engine.clone()))
        .merge(autoscaler_router(app, metrics, Desk(engine.clone())))
        .merge(relay_router(Desk(engine)))
}

/// The engine as it answers nodes.
struct Desk(Engine);

impl NodeSecrets for Desk {
    async fn give(&self, token: &str) -> Result<Option<SecretString>, String> {
        self.0.node_secrets(token).await.map_err(told)
    }

    async fn done(&self, token: &str) -> Result<bool, String> {
        self.0.node_has_secrets(token).await.map_err(told)
    }
}

impl Autoscalers for Desk {
    async fn cluster_of(&self, certificate: &[u8]) -> Result<Option<ClusterId>, String> {
        self.0.autoscaled_cluster(certificate).await.map_err(told)
    }

    async fn flavor(&self, cluster: ClusterId, id: &str) -> Result<Option<FlavorSize>, String> {
        let found = self.0.flavor_for(cluster, id).await.map_err(told)?;
        Ok(found.map(|flavor| FlavorSize {
            name: flavor.name,
            vcpus: flavor.vcpus,
            ram_mib: flavor.ram_mib,
            disk_gib: flavor.disk_gib,
        }))
    }
}

impl ApiCalls for Desk {
    async fn is_control_plane(&self, cluster: ClusterId, certificate: &[u8]) -> Result<bool, String> {
        self.0.is_control_plane(cluster, certificate).await.map_err(told)
    }

    async fn next(&self, cluster: ClusterId) -> Result<Option<(Uuid, SecretString)>, String> {
        self.0.next_api_call(cluster).await.map_err(told)
    }

    async fn answer(&self, cluster: ClusterId, id: Uuid, status: u16, body: &[u8]) -> Result<bool, String> {
        self.0
            .answer_api_call(cluster, id, status, body)
            .await
            .map_err(told)
    }
}

fn told(error: BootstrapError) -> String {
    match error {
        BootstrapError::Store(error) => format!("{:#}", crate::serve::told(error)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_the_certificate_is_for() {
        for (url, host) in [
            ("https://192.0.2.10:9513", "192.0.2.10"),
            ("https://nodes.example", "nodes.example"),
            ("https://[2001:db8::1]:9513", "2001:db8::1"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }

    #[test]
    fn our_own_certificate_is_vouched_for_by_the_one_beside_it() {
        let (chain, _) = make("192.0.2.10").unwrap();
        assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    }
}
