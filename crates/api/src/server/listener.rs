//! Sockets on which requests come in, and what is known of who connects.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, fs};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::server::TlsStream;

use super::tls::Tls;

/// Longest time that a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<Tls>>,
    /// A socket file that goes with the listener.
    file: Option<PathBuf>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// Address; none over a Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// Our port; none over a Unix socket.
    pub(crate) port: Option<u16>,
    /// TLS is spoken.
    pub(crate) is_secure: bool,
}

/// Certificate that the other end has shown and proved to have the key of, DER. Nothing else of it was checked.
#[derive(Clone, Debug)]
pub(crate) struct ClientCertificate(pub(crate) Arc<[u8]>);

/// A connection before anything was read from it.
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr, Option<Arc<Tls>>),
    Unix(UnixStream),
}

/// A connection that carries HTTP.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Listener {
    /// Listens on TCP, with TLS or without.
    pub fn tcp(socket: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        Self {
            socket: Socket::Tcp(socket),
            tls,
            file: None,
        }
    }

    /// Listens on a Unix socket that exists already.
    pub fn unix(socket: UnixListener) -> Self {
        Self {
            socket: Socket::Unix(socket),
            tls: None,
            file: None,
        }
    }

    /// Makes a socket file with a mode, in the place of one that nobody listens on any more. It is removed with the
    /// listener.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens on it, `AlreadyExists` when the file is no socket, and what the system says.
    pub fn bind_unix(path: &Path, mode: u32) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the file is no socket",
                ));
            }
            Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(_) => fs::remove_file(path)?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let socket = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        let mut listener = Self::unix(socket);
        listener.file = Some(path.to_owned());
        Ok(listener)
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                Ok(Accepted::Tcp(stream, address, self.tls.clone()))
            }
            Socket::Unix(socket) => Ok(Accepted::Unix(socket.accept().await?.0)),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Socket::Tcp(socket) => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                match socket.local_addr() {
                    Ok(address) => write!(f, "{scheme}://{address}"),
                    Err(_) => f.write_str(scheme),
                }
            }
            Socket::Unix(socket) => {
                let address = socket.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                write!(f, "unix:{}", path.unwrap_or(Path::new("(unnamed)")).display())
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

impl Accepted {
    /// Ends the handshake, if there is one.
    pub(super) async fn prepare(self) -> io::Result<(Stream, Peer, Option<ClientCertificate>)> {
        match self {
            Self::Unix(stream) => Ok((Stream::Unix(stream), Peer::default(), None)),
            Self::Tcp(stream, address, tls) => {
                let _ = stream.set_nodelay(true);
                let peer = Peer {
                    address: Some(address.ip().to_canonical()),
                    port: stream.local_addr().ok().map(|own| own.port()),
                    is_secure: tls.is_some(),
                };
                let Some(tls) = tls else {
                    return Ok((Stream::Tcp(stream), peer, None));
                };
                let handshake = tokio::time::timeout(HANDSHAKE_DEADLINE, tls.acceptor().accept(stream));
                let stream = handshake.await.map_err(|_| io::ErrorKind::TimedOut)??;
                let shown = stream.get_ref().1.peer_certificates();
                let shown = shown.and_then(|chain| chain.first());
                let certificate = shown.map(|certificate| ClientCertificate(certificate.as_ref().into()));
                Ok((Stream::Tls(Box::new(stream)), peer, certificate))
            }
        }
    }
}

impl Stream {
    /// True when both ends have agreed to speak HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
            Self::Tcp(_) | Self::Unix(_) => false,
        }
    }
}

macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Tls($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
