//! The connection: opening it, its transactions and its schema.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::mysql::MySqlPoolOptions;
use sea_orm::sqlx::pool::PoolConnectionMetadata;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions, Connection};
use sea_orm::{
    DatabaseConnection, DbBackend, IsolationLevel, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::unbroken::{Transaction, Unbroken};
use crate::url::{self, Target};
use crate::{Answers, Clusters, Engine, Health, Quotas, Services, StoreError, Templates, migration};

/// How long a call waits for a free connection, or for another process's write to the SQLite file.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection rests before it is asked for a sign of life.
const RESTED: Duration = Duration::from_secs(1);

/// The database. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Unbroken<DatabaseConnection>,
    /// SQLite lets one write at a time; waiting here is fair and costs no polling.
    turn: Option<Arc<Mutex<()>>>,
    /// The SQLite file, if this process has just made it.
    new_file: Option<Arc<PathBuf>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({:?})", self.db.get_database_backend())
    }
}

impl Store {
    /// Opens the database of a URL in SQLAlchemy's spelling: `sqlite:////absolute/path`, `sqlite:///relative`,
    /// `mysql+pymysql://user:password@host/database`, `postgresql://...`. A SQLite file is made if it is not
    /// there, for its owner only. `pool` is the most connections at a time. Does not touch the schema.
    pub async fn connect(url: &str, pool: u32) -> Result<Self, StoreError> {
        let pool = pool.max(1);
        let mut new_file = None;
        let db: DatabaseConnection = match url::parse(url)? {
            Target::Sqlite(path) => {
                if create_private(&path)? {
                    new_file = Some(Arc::new(path.clone()));
                }
                // A commit in the write-ahead log survives a killed process at once. A power cut may undo the
                // last commits but cannot damage the file; waiting for the disk at every commit made a creation
                // ten times slower.
                let options = SqliteConnectOptions::new()
                    .filename(&path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    .foreign_keys(true)
                    .busy_timeout(PATIENCE)
                    .disable_statement_logging();
                let opened = SqlitePoolOptions::new()
                    .max_connections(pool)
                    .acquire_timeout(PATIENCE)
                    .test_before_acquire(false)
                    .connect_with(options)
                    .await;
                if let (Err(_), Some(file)) = (&opened, &new_file) {
                    discard(file);
                }
                opened.map_err(|error| StoreError::from(&error))?.into()
            }
            Target::MySql(options) => {
                let options = options.disable_statement_logging();
                once(&options).await?;
                let pool = MySqlPoolOptions::new()
                    .max_connections(pool)
                    .acquire_timeout(PATIENCE)
                    .test_before_acquire(false)
                    .before_acquire(|connection, meta| Box::pin(test_if_idle(connection, meta)));
                pool.connect_lazy_with(options).into()
            }
            Target::Postgres(options) => {
                let options = options.application_name("jeroboam").disable_statement_logging();
                once(&options).await?;
                let pool = PgPoolOptions::new()
                    .max_connections(pool)
                    .acquire_timeout(PATIENCE)
                    .test_before_acquire(false)
                    .before_acquire(|connection, meta| Box::pin(test_if_idle(connection, meta)));
                pool.connect_lazy_with(options).into()
            }
        };
        let is_sqlite = db.get_database_backend() == DbBackend::Sqlite;
        Ok(Self {
            db: Unbroken::new(db),
            turn: is_sqlite.then(Arc::default),
            new_file,
        })
    }

    /// Checks a URL without connecting.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        url::parse(url).map(drop)
    }

    /// Brings the schema to this program's version. Safe to repeat. A SQLite file that [`Store::connect`] has made
    /// and that cannot be filled is removed again.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let result = migration::up(&self.db).await;
        if let (Err(_), Some(file)) = (&result, &self.new_file) {
            self.close().await?;
            discard(file);
        }
        result
    }

    /// True when [`Store::migrate`] has something to do. Changes nothing.
    pub async fn needs_migration(&self) -> Result<bool, StoreError> {
        migration::is_pending(&self.db).await
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.db.ping().await?)
    }

    /// Open connections, and how many of them nobody uses now.
    pub fn connections(&self) -> (u32, u32) {
        let (open, idle) = match self.db.get_database_backend() {
            DbBackend::MySql => {
                let pool = self.db.get_mysql_connection_pool();
                (pool.size(), pool.num_idle())
            }
            DbBackend::Postgres => {
                let pool = self.db.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            }
            DbBackend::Sqlite => {
                let pool = self.db.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
            _ => (0, 0),
        };
        (open, u32::try_from(idle).unwrap_or(open))
    }

    /// Closes all connections, after the calls that run.
    pub async fn close(&self) -> Result<(), StoreError> {
        Ok(self.db.close_by_ref().await?)
    }

    /// Cluster templates.
    pub fn templates(&self) -> Templates<'_> {
        Templates(self)
    }

    /// Clusters and node groups, as callers of the API see and ask for them.
    pub fn clusters(&self) -> Clusters<'_> {
        Clusters(self)
    }

    /// The engine's side: leases, the ledger, outcomes, sealed secrets.
    pub fn engine(&self) -> Engine<'_> {
        Engine(self)
    }

    /// The health of clusters.
    pub fn health(&self) -> Health<'_> {
        Health(self)
    }

    /// Answers of creates that may be asked for again.
    pub fn answers(&self) -> Answers<'_> {
        Answers(self)
    }

    /// What administrators set as the limits of projects.
    pub fn quotas(&self) -> Quotas<'_> {
        Quotas(self)
    }

    /// Heartbeats of the running processes.
    pub fn services(&self) -> Services<'_> {
        Services(self)
    }

    /// Waits until this process may write. What is more than one statement takes [`Store::begin`] instead.
    pub(crate) async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        match &self.turn {
            Some(turn) => Some(Arc::clone(turn).lock_owned().await),
            None => None,
        }
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let turn = self.turn().await;
        let options = match self.db.get_database_backend() {
            // A deferred transaction that reads first cannot start writing when another has written meanwhile.
            DbBackend::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            // Its default keeps one snapshot and locks the gaps between rows.
            DbBackend::MySql => TransactionOptions {
                isolation_level: Some(IsolationLevel::ReadCommitted),
                ..TransactionOptions::default()
            },
            _ => TransactionOptions::default(),
        };
        // As with statements: MySQL's driver, given up between sending BEGIN and hearing of it, would put the connection
        // back with a transaction that it does not know of.
        let db = self.db.clone();
        let begun = tokio::spawn(async move {
            let inner = Unbroken::new(db.begin_with_options(options).await?);
            Ok(Tx { inner, _turn: turn })
        });
        begun.await.map_err(StoreError::internal)?
    }
}

/// A transaction that writes. Dropped, it is rolled back.
pub(crate) struct Tx {
    inner: Transaction,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl std::ops::Deref for Tx {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.inner
    }
}

impl Tx {
    /// Commits a success, rolls back a failure, and passes the result on.
    pub(crate) async fn finish<T, E: From<StoreError>>(self, result: Result<T, E>) -> Result<T, E> {
        let Self { inner, _turn: turn } = self;
        let is_success = result.is_ok();
        let ended = tokio::spawn(async move {
            let _turn = turn;
            let inner = inner.into_inner()?;
            match is_success {
                true => inner.commit().await?,
                false => inner.rollback().await?,
            }
            Ok(())
        });
        let ended = ended.await.map_err(StoreError::internal).flatten();
        // What went wrong first is what the caller must hear; a lost connection rolls back by itself.
        let value = result?;
        ended?;
        Ok(value)
    }
}

/// A connection that was in use a moment ago is there still, and the pool has asked it when it came back; asking each
/// time would be a round trip more for every statement. One that has rested may have been cut off meanwhile: then
/// the pool takes another.
async fn test_if_idle<C: Connection>(
    connection: &mut C,
    meta: PoolConnectionMetadata,
) -> Result<bool, sea_orm::sqlx::Error> {
    if meta.idle_for > RESTED {
        connection.ping().await?;
    }
    Ok(true)
}

/// Connects once. A pool would try again until its patience ends, and then not say why.
async fn once<O>(options: &O) -> Result<(), StoreError>
where
    O: ConnectOptions,
    O::Connection: Sized,
{
    let failed = |error| StoreError::from(&error);
    options
        .connect()
        .await
        .map_err(failed)?
        .close()
        .await
        .map_err(failed)
}

/// Makes the file before SQLite does, so that it and its log are never readable by others. True if it is new.
fn create_private(path: &Path) -> Result<bool, StoreError> {
    let failed = |error| StoreError::File(format!("cannot open {}: {error}", path.display()));
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            options.open(path).map(|_| false).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Removes a SQLite file that could not be made whole. One that is not there is as good as removed.
fn discard(file: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}
