//! Lines for the log file and standard error. Invariant: each is whole, and an urgent one is written when its turn ends.
//! Lines of the same few microseconds may change places, as those of several threads always may.
//!
//! A line that is not urgent is written at once too, unless the one before it was a moment ago: then it is held back
//! together with those that follow, until there are enough of them, a line comes that is urgent, or the moment is over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Longest time that a line is held back.
const MOMENT: Duration = Duration::from_millis(100);
/// So many bytes are written without waiting for more.
const ENOUGH: usize = 16 * 1024;

/// Where lines go.
#[derive(Debug)]
pub struct Outlet {
    stderr: bool,
    file: Option<(PathBuf, Mutex<Arc<File>>)>,
    held: Mutex<Held>,
    /// Something is held back now.
    begun: Condvar,
}

/// Lines that are held back.
#[derive(Debug)]
struct Held {
    lines: Vec<u8>,
    /// When something was written last.
    written: Instant,
    /// Somebody will write what is held when the moment is over.
    is_watched: bool,
}

/// How long a line may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Not at all.
    Urgent,
    /// A moment.
    Patient,
}

impl Outlet {
    /// Opens the file, if there is one.
    pub fn open(file: Option<&Path>, stderr: bool) -> anyhow::Result<Arc<Self>> {
        let file = match file {
            Some(path) => Some((path.to_owned(), Mutex::new(Arc::new(open(path)?)))),
            None => None,
        };
        let outlet = Arc::new(Self {
            stderr,
            file,
            held: Mutex::new(Held {
                lines: Vec::new(),
                written: Instant::now(),
                is_watched: true,
            }),
            begun: Condvar::new(),
        });
        let watched = Arc::clone(&outlet);
        let watcher = std::thread::Builder::new().name("log".to_owned());
        watcher
            .spawn(move || watch(&watched))
            .context("cannot start a thread for the log")?;
        Ok(outlet)
    }

    /// Opens the file anew, after somebody has moved it away.
    pub fn reopen(&self) -> anyhow::Result<()> {
        self.flush()?;
        if let Some((path, file)) = &self.file {
            let fresh = Arc::new(open(path)?);
            *lock(file) = fresh;
        }
        Ok(())
    }

    /// Takes a line, with its end.
    pub fn take(&self, line: &[u8], urgency: Urgency) -> io::Result<()> {
        if !self.stderr && self.file.is_none() {
            return Ok(());
        }
        let mut held = lock(&self.held);
        held.lines.extend_from_slice(line);
        let may_wait = urgency == Urgency::Patient && held.lines.len() < ENOUGH;
        if may_wait && held.written.elapsed() < MOMENT {
            if !held.is_watched {
                held.is_watched = true;
                self.begun.notify_one();
            }
            return Ok(());
        }
        self.write(held)
    }

    /// Writes what is held back.
    pub fn flush(&self) -> io::Result<()> {
        self.write(lock(&self.held))
    }

    /// Nobody waits for a write: what comes meanwhile is held, or written by who brings it.
    fn write(&self, mut held: MutexGuard<'_, Held>) -> io::Result<()> {
        if held.lines.is_empty() {
            return Ok(());
        }
        let room = held.lines.capacity().min(2 * ENOUGH);
        let lines = std::mem::replace(&mut held.lines, Vec::with_capacity(room));
        held.written = Instant::now();
        drop(held);
        if let Some((_, file)) = &self.file {
            let file = Arc::clone(&lock(file));
            file.as_ref().write_all(&lines)?;
        }
        if self.stderr {
            io::stderr().write_all(&lines)?;
        }
        Ok(())
    }
}

/// Writes what was held back for a moment, for the life of the process.
fn watch(outlet: &Outlet) {
    loop {
        let mut held = lock(&outlet.held);
        held.is_watched = false;
        // Nobody is left to be told of a failure, and the next line will meet it too.
        let _ = outlet.write(held);
        let mut held = lock(&outlet.held);
        while !held.is_watched {
            held = outlet.begun.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        drop(held);
        std::thread::sleep(MOMENT);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot open log file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patient_lines_are_held_back_and_only_for_a_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let outlet = Outlet::open(Some(&path), false).unwrap();
        let read = || std::fs::read_to_string(&path).unwrap();
        // Whether the first ones are held depends on how long ago the outlet was opened.
        outlet.take(b"1\n", Urgency::Patient).unwrap();
        outlet.take(b"2\n", Urgency::Patient).unwrap();
        outlet.take(b"3\n", Urgency::Urgent).unwrap();
        assert_eq!(read(), "1\n2\n3\n", "an urgent line takes along what was held");
        outlet.take(b"4\n", Urgency::Patient).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while read() != "1\n2\n3\n4\n" {
            assert!(Instant::now() < end, "{}", read());
            std::thread::sleep(MOMENT / 10);
        }
        let moved = directory.path().join("moved");
        outlet.take(b"5\n", Urgency::Urgent).unwrap();
        outlet.take(b"6\n", Urgency::Patient).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        outlet.reopen().unwrap();
        outlet.take(b"7\n", Urgency::Urgent).unwrap();
        assert_eq!(read(), "7\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "1\n2\n3\n4\n5\n6\n");
    }

    #[test]
    fn many_lines_are_not_held_until_the_moment_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let outlet = Outlet::open(Some(&path), false).unwrap();
        let line = [b'x'; 100];
        for _ in 0..2 * ENOUGH / line.len() {
            outlet.take(&line, Urgency::Patient).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() >= ENOUGH as u64);
    }
}
