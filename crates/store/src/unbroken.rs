//! Statements that are not given up half-way.

use std::ops::Deref;
use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    Statement,
};

use crate::StoreError;

/// A connection, or several, whose statements run to their end also when nobody waits for them any more: a client that
/// hangs up in the middle of a list ends the request.
///
/// MySQL's driver, given up between the head of a packet and the rest, would take the rest for the head of another.
/// Its connection then waits for ever on its way back, and a pool that loses one after the other has none left.
pub(crate) struct Unbroken<C>(Arc<C>);

/// A transaction of such statements.
pub(crate) type Transaction = Unbroken<DatabaseTransaction>;

impl<C: Send + Sync + 'static> Unbroken<C> {
    pub(crate) fn new(connection: C) -> Self {
        Self(Arc::new(connection))
    }

    /// The connection, when no statement runs.
    pub(crate) fn into_inner(self) -> Result<C, StoreError> {
        Arc::into_inner(self.0).ok_or_else(|| StoreError::internal("a statement still runs"))
    }

    /// Runs something to its end.
    async fn whole<F, T>(&self, run: impl FnOnce(Arc<C>) -> F) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
        T: Send + 'static,
    {
        let run = tokio::spawn(run(Arc::clone(&self.0)));
        run.await.map_err(|error| DbErr::Custom(error.to_string()))?
    }
}

impl Unbroken<DatabaseConnection> {
    /// Calls a function for each statement from now on.
    #[cfg(test)]
    pub(crate) fn on_statement(&mut self, call: impl Fn(&sea_orm::metric::Info<'_>) + Send + Sync + 'static) {
        let mut connection = (*self.0).clone();
        connection.set_metric_callback(call);
        *self = Self::new(connection);
    }
}

impl<C> Clone for Unbroken<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Unbroken<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

#[async_trait::async_trait]
impl<C: ConnectionTrait + Send + 'static> ConnectionTrait for Unbroken<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.whole(|connection| async move { connection.execute_raw(statement).await })
            .await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sql.to_owned();
        self.whole(|connection| async move { connection.execute_unprepared(&sql).await })
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.whole(|connection| async move { connection.query_one_raw(statement).await })
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.whole(|connection| async move { connection.query_all_raw(statement).await })
            .await
    }
}
