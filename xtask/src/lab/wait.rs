//! Waiting for something to answer, with a bound.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take to start; two cores that others use as well are slow.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until a port takes connections.
pub fn for_port(name: &str, port: u16) -> Result<()> {
    until(&format!("{name} does not listen on port {port}"), || {
        Ok(connect(port).is_some())
    })
}

/// Waits until an HTTP server answers anything. uWSGI listens long before its application is loaded.
pub fn for_http(name: &str, port: u16, alive: impl Fn() -> bool) -> Result<()> {
    until(&format!("{name} does not answer on port {port}"), || {
        if !alive() {
            bail!("{name} has ended; see its log");
        }
        Ok(answers(port))
    })
}

/// Waits until a condition holds.
pub fn until(otherwise: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if holds()? {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    bail!("{otherwise} after {} s", PATIENCE.as_secs())
}

fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
}

fn answers(port: u16) -> bool {
    let Some(mut stream) = connect(port) else {
        return false;
    };
    let mut start = [0; 5];
    let exchange = stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .and_then(|()| stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"))
        .and_then(|()| stream.read_exact(&mut start));
    exchange.is_ok() && &start == b"HTTP/"
}
