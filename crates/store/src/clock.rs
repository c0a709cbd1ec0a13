//! The clock of the database's server: what hosts that share a database can compare their own with.

use jeroboam_types::Millis;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::{Store, StoreError};

impl Store {
    /// The server's time; `None` for an embedded database, which has no clock but the host's.
    pub async fn server_time(&self) -> Result<Option<Millis>, StoreError> {
        let backend = self.db.get_database_backend();
        let question = match backend {
            DbBackend::MySql => "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) AS ms",
            DbBackend::Postgres => {
                "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS ms"
            }
            _ => return Ok(None),
        };
        let answer = self
            .db
            .query_one_raw(Statement::from_string(backend, question))
            .await?;
        let answer = answer.ok_or_else(|| StoreError::internal("the database does not tell the time"))?;
        Ok(Some(Millis(answer.try_get("", "ms")?)))
    }
}
