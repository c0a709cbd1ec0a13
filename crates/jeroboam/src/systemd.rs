//! What the service manager and the service tell each other: sockets that were opened for us, and signs of life.
//!
//! Without a service manager all of it does nothing.

use std::ffi::OsString;
use std::net::TcpListener as StdTcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener as StdUnixListener};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// First descriptor that a service manager hands over.
const FIRST: i32 = 3;

/// The channel to the service manager, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Manager {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// As the variables `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` tell.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        let own = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        Self {
            socket: variable("NOTIFY_SOCKET"),
            watchdog: number("WATCHDOG_USEC")
                .filter(|micros| own && *micros > 0)
                .map(Duration::from_micros),
        }
    }

    /// Tells a state, such as `READY=1`.
    pub fn tell(&self, state: &str) {
        let Some(name) = &self.socket else { return };
        let sent = || {
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
                None => SocketAddr::from_pathname(name)?,
            };
            UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)
        };
        match sent() {
            Ok(_) => debug!(state, "told the service manager"),
            Err(error) => warn!(%error, state, "cannot tell the service manager"),
        }
    }

    /// Tells twice in the watchdog's time that the runtime is alive, until the shutdown has ended.
    pub async fn keep_watchdog(self, ended: CancellationToken) {
        let Some(limit) = self.watchdog else { return };
        let mut beat = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                _ = beat.tick() => self.tell("WATCHDOG=1"),
            }
        }
    }
}

/// Sockets that the service manager has opened for us.
#[derive(Debug, Default)]
pub struct Sockets {
    pub tcp: Vec<StdTcpListener>,
    pub unix: Vec<StdUnixListener>,
}

impl Sockets {
    /// As the variables `LISTEN_PID` and `LISTEN_FDS` tell.
    pub fn of_environment() -> anyhow::Result<Self> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<i32>().ok();
        if number("LISTEN_PID") != Some(getpid().as_raw_nonzero().get()) {
            return Ok(Self::default());
        }
        let count = number("LISTEN_FDS").unwrap_or_default();
        // A copy of each: taking the descriptors themselves by their number is beyond what can be checked.
        let own = pidfd_open(getpid(), PidfdFlags::empty()).context("cannot take sockets over")?;
        let mut taken = Self::default();
        for number in FIRST..FIRST.saturating_add(count) {
            let socket = pidfd_getfd(&own, number, PidfdGetfdFlags::empty())
                .with_context(|| format!("cannot take socket {number} over from the service manager"))?;
            taken.add(socket, number)?;
        }
        Ok(taken)
    }

    fn add(&mut self, socket: OwnedFd, number: i32) -> anyhow::Result<()> {
        let listens = socket_acceptconn(&socket).unwrap_or(false);
        match socket_domain(&socket) {
            Ok(AddressFamily::INET | AddressFamily::INET6) if listens => {
                let socket = StdTcpListener::from(socket);
                socket.set_nonblocking(true)?;
                self.tcp.push(socket);
            }
            Ok(AddressFamily::UNIX) if listens => {
                let socket = StdUnixListener::from(socket);
                socket.set_nonblocking(true)?;
                self.unix.push(socket);
            }
            _ => bail!("descriptor {number} of the service manager is no socket that listens for streams"),
        }
        Ok(())
    }

    /// True when the service manager has opened none.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_empty()
    }
}
