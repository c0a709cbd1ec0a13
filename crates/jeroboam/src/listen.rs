//! Where the API listens: what the service manager has opened, else what the configuration says.

use std::sync::Arc;

use anyhow::{Context, bail};
use jeroboam_api::{Listener, LowestTls, Tls};
use jeroboam_config::{Config, TlsVersion};
use tokio::net::{TcpListener, UnixListener};

use crate::systemd::Sockets;

/// The certificate of the API, if it speaks TLS.
pub fn tls(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    let api = &config.api;
    let (true, Some(certificate), Some(key)) = (api.enabled_ssl, &api.ssl_cert_file, &api.ssl_key_file)
    else {
        return Ok(None);
    };
    let lowest = match api.ssl_minimum_version {
        TlsVersion::V12 => LowestTls::V12,
        TlsVersion::V13 => LowestTls::V13,
    };
    let tls = Tls::load(certificate, key, lowest).context("[api] enabled_ssl")?;
    Ok(Some(Arc::new(tls)))
}

/// Opens the sockets.
pub async fn listeners(config: &Config, tls: Option<&Arc<Tls>>) -> anyhow::Result<Vec<Listener>> {
    let api = &config.api;
    let mut listeners = Vec::new();
    let inherited = Sockets::of_environment()?;
    if !inherited.is_empty() {
        for socket in inherited.tcp {
            listeners.push(Listener::tcp(TcpListener::from_std(socket)?, tls.cloned()));
        }
        for socket in inherited.unix {
            listeners.push(Listener::unix(UnixListener::from_std(socket)?));
        }
        return Ok(listeners);
    }
    if !api.host.is_empty() {
        let socket = TcpListener::bind((api.host.as_str(), api.port))
            .await
            .with_context(|| format!("cannot listen on {}:{}", api.host, api.port))?;
        listeners.push(Listener::tcp(socket, tls.cloned()));
    }
    if let Some(path) = &api.unix_socket {
        let mode = u32::from_str_radix(&api.unix_socket_mode, 8)?;
        let listener = Listener::bind_unix(path, mode);
        listeners.push(listener.with_context(|| format!("cannot listen on {}", path.display()))?);
    }
    if listeners.is_empty() {
        bail!("[api] names neither a host nor a unix_socket to listen on");
    }
    Ok(listeners)
}
