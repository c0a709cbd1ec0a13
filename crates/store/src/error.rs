//! The one error of the store, and the one place where the databases' own errors get a meaning.

use std::fmt;

use sea_orm::sqlx::{self, error::DatabaseError};
use sea_orm::{DbErr, RuntimeErr, SqlErr};
use thiserror::Error;

/// What the database said. For the operator's log only: it may name tables and quote values, so it has no
/// `Display` and is no `source`.
#[derive(Clone)]
pub struct Cause(String);

impl Cause {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }

    /// The text, for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why the store could not answer. The texts never hold SQL, stored values or a password.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The lease was taken by another worker, or ran out and was taken: the caller must drop its work.
    #[error("the lease on the cluster is lost")]
    LeaseLost,
    /// Something else is asked of the cluster by now: load its work again.
    #[error("something else is asked of the cluster by now")]
    Stale,
    /// No such row, or none that the caller may see.
    #[error("not found")]
    NotFound,
    /// A name that several visible rows have.
    #[error("several have this name")]
    Ambiguous,
    /// The rows as they are forbid the change; the text may be shown to the caller.
    #[error("{0}")]
    Conflict(String),
    /// The database has no room left.
    #[error("the database is full")]
    Full,
    /// The database cannot be reached or is too busy; the same call may work later.
    #[error("the database is unavailable")]
    Unavailable(Cause),
    /// The database URL cannot be used; the text says why, without the URL.
    #[error("bad database URL: {0}")]
    Url(String),
    /// The database's file cannot be opened.
    #[error("{0}")]
    File(String),
    /// A bug, a damaged row, or a schema that is not ours.
    #[error("the database refused")]
    Internal(Cause),
}

impl StoreError {
    /// True when the same call may work later without anybody changing what is asked.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full)
    }

    /// What the database said, for the operator's log.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Some(cause.as_str()),
            _ => None,
        }
    }

    pub(crate) fn internal(text: impl fmt::Display) -> Self {
        Self::Internal(Cause::new(text))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
            return Self::Conflict("a row with this identity exists already".to_owned());
        }
        match &error {
            DbErr::ConnectionAcquire(_) => Self::Unavailable(Cause::new(error)),
            DbErr::Conn(RuntimeErr::SqlxError(inner))
            | DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner)) => Self::from(inner.as_ref()),
            DbErr::Conn(_) => Self::Unavailable(Cause::new(error)),
            DbErr::RecordNotUpdated | DbErr::RecordNotFound(_) => Self::NotFound,
            _ => Self::internal(error),
        }
    }
}

impl From<&sqlx::Error> for StoreError {
    fn from(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => match trouble(database.as_ref()) {
                Trouble::Full => Self::Full,
                Trouble::Passing => Self::Unavailable(Cause::new(database)),
                Trouble::Lasting => Self::internal(database),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(Cause::new(error)),
            _ => Self::internal(error),
        }
    }
}

enum Trouble {
    Full,
    Passing,
    Lasting,
}

/// Sorts a database's error by its code: SQLite's primary result codes, MySQL's and MariaDB's error numbers,
/// PostgreSQL's SQLSTATE.
fn trouble(error: &dyn DatabaseError) -> Trouble {
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return match error.number() {
            // Disk full, table full.
            1021 | 1114 => Trouble::Full,
            // Too many connections, shutting down, lock wait timeout, deadlock, connection killed, read-only.
            1040 | 1053 | 1205 | 1213 | 1290 | 1317 | 1836 | 1927 => Trouble::Passing,
            // Cannot read or write a file: 28 is ENOSPC.
            3 | 1026 if error.message().contains("28") => Trouble::Full,
            _ => Trouble::Lasting,
        };
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // The low byte of an extended result code is the primary one.
        return match code.parse::<i32>().map(|code| code & 0xff) {
            Ok(13) => Trouble::Full,
            // Busy, locked, interrupted, input or output error, cannot open.
            Ok(5 | 6 | 9 | 10 | 14) => Trouble::Passing,
            _ => Trouble::Lasting,
        };
    }
    match code.as_ref() {
        "53100" => Trouble::Full,
        // Serialization failure, deadlock, lock not available, read-only (a standby after a failover).
        "40001" | "40P01" | "55P03" | "25006" => Trouble::Passing,
        code if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => Trouble::Passing,
        _ => Trouble::Lasting,
    }
}
