//! Rows that are read by position.

use std::fmt;

use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable};

/// The columns of a row from left to right.
///
/// What SeaORM derives looks each up by its name, and writes an error about each NULL that it then takes for `None`:
/// in a wide row with few values that is more work than the values are.
pub(crate) struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> Columns<'a> {
    /// From the first on.
    pub(crate) fn of(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    /// Reads the next column.
    pub(crate) fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let value = self.peek()?;
        self.next += 1;
        Ok(value)
    }

    /// Reads the next column, which stays the next.
    pub(crate) fn peek<T: TryGetable>(&self) -> Result<T, DbErr> {
        T::try_get_by(self.row, Position(self.next)).map_err(|error| match error {
            TryGetError::Null(_) => DbErr::Type(format!("column {} is null", self.next)),
            TryGetError::DbErr(error) => error,
        })
    }

    /// Leaves columns out.
    pub(crate) fn skip(mut self, columns: usize) -> Self {
        self.next += columns;
        self
    }
}

/// How the rows of a table are read: the fields of its model, in the order of its columns.
macro_rules! by_position {
    ($($field:ident),* $(,)?) => {
        impl Model {
            /// Reads all columns of the table.
            pub(crate) fn read(columns: &mut $crate::row::columns::Columns<'_>) -> Result<Self, sea_orm::DbErr> {
                Ok(Self { $($field: columns.take()?),* })
            }
        }

        #[test]
        fn columns_are_read_in_their_order() {
            use sea_orm::{IdenStatic as _, Iterable as _};
            let columns: Vec<_> = Column::iter().map(|column| column.as_str()).collect();
            assert_eq!(columns, [$(stringify!($field)),*]);
        }
    };
}
pub(crate) use by_position;

/// A position that says nothing of itself: its text is written for each NULL.
#[derive(Clone, Copy)]
struct Position(usize);

impl fmt::Debug for Position {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl ColIdx for Position {
    type SqlxMySqlIndex = usize;
    type SqlxPostgresIndex = usize;
    type SqlxSqliteIndex = usize;

    fn as_sqlx_mysql_index(&self) -> usize {
        self.0
    }

    fn as_sqlx_postgres_index(&self) -> usize {
        self.0
    }

    fn as_sqlx_sqlite_index(&self) -> usize {
        self.0
    }

    fn as_str(&self) -> Option<&str> {
        None
    }

    fn as_usize(&self) -> Option<&usize> {
        Some(&self.0)
    }
}
