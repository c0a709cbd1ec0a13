//! Lines for the system's syslog, each in a datagram of its own as RFC 3164 has it. The socket is not connected, so that
//! a syslog that starts again gets what comes after. What cannot be told to it goes to standard error instead.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tracing::Level;

/// Where every system takes messages.
const SOCKET: &str = "/dev/log";
/// A severity takes three bits of a priority.
const SEVERITY_BITS: u8 = 3;

/// The way to syslog.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
    facility: u8,
}

impl Syslog {
    /// The system's, for lines of a facility.
    pub fn open(facility: u8) -> io::Result<Self> {
        Self::at(SOCKET.into(), facility)
    }

    fn at(path: PathBuf, facility: u8) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            path,
            facility,
        })
    }

    /// Tells a line.
    pub fn tell(&self, level: &Level, line: &[u8]) -> io::Result<()> {
        let priority = self.facility << SEVERITY_BITS | severity(level);
        let line = line.trim_ascii_end();
        let mut message = format!("<{priority}>jeroboam[{}]: ", std::process::id()).into_bytes();
        message.extend_from_slice(line);
        match self.socket.send_to(&message, &self.path) {
            Ok(_) => Ok(()),
            Err(_) => {
                let mut other = io::stderr().lock();
                other.write_all(line)?;
                other.write_all(b"\n")
            }
        }
    }
}

fn severity(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_datagram_with_its_priority_and_a_new_syslog_hears_of_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let syslog = Syslog::at(path.clone(), 16).unwrap();
        syslog.tell(&Level::INFO, b"nobody hears this\n").unwrap();
        let own = std::process::id();
        for (level, priority) in [
            (Level::ERROR, 131),
            (Level::WARN, 132),
            (Level::INFO, 134),
            (Level::DEBUG, 135),
            (Level::TRACE, 135),
        ] {
            let server = UnixDatagram::bind(&path).unwrap();
            syslog.tell(&level, "a line \u{e9}\n".as_bytes()).unwrap();
            let mut heard = [0; 200];
            let length = server.recv(&mut heard).unwrap();
            let expected = format!("<{priority}>jeroboam[{own}]: a line \u{e9}");
            assert_eq!(std::str::from_utf8(&heard[..length]).unwrap(), expected);
            drop(server);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
