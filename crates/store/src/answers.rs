//! Answers of creates, kept so that the same request gets the same answer again instead of a second object.
//!
//! An answer is written in the transaction that makes its object: either both are there or neither, whatever dies
//! when. Of two that would write the same answer at once one fails, with everything that it wanted to make.

use jeroboam_types::Millis;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::row::answer::{self, Column};
use crate::unbroken::Transaction;
use crate::{Store, StoreError};

/// Questions and changes about kept answers.
#[derive(Clone, Copy)]
pub struct Answers<'a>(pub(crate) &'a Store);

/// An answer to be kept, or one that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Names it: a digest of the caller's project and key, 64 hexadecimal digits.
    pub digest: String,
    /// Digest of what was asked, 64 hexadecimal digits.
    pub request: String,
    /// When it was made.
    pub created: Millis,
    /// Answers of this moment and before do not count any more when this one is written.
    pub forget: Millis,
    /// Status of the answer.
    pub status: u16,
    /// Its `Location`.
    pub location: Option<String>,
    /// Its body.
    pub body: String,
}

impl Answers<'_> {
    /// The answer of a digest, if it was made after `since`.
    pub async fn find(&self, digest: &str, since: Millis) -> Result<Option<Answer>, StoreError> {
        let row = answer::Entity::find_by_id(digest)
            .filter(Column::CreatedMs.gt(since.0))
            .one(&self.0.db)
            .await?;
        Ok(row.map(|row| Answer {
            digest: row.digest,
            request: row.request,
            created: Millis(row.created_ms),
            forget: since,
            status: u16::try_from(row.status).unwrap_or_default(),
            location: row.location,
            body: row.body,
        }))
    }

    /// Removes answers of this moment and before; says how many.
    pub async fn forget(&self, before: Millis) -> Result<u64, StoreError> {
        let tx = self.0.begin().await?;
        let result = answer::Entity::delete_many()
            .filter(Column::CreatedMs.lte(before.0))
            .exec(&*tx)
            .await;
        let result = result.map(|done| done.rows_affected).map_err(StoreError::from);
        tx.finish(result).await
    }
}

/// Keeps an answer, before anything else of its transaction. [`StoreError::Conflict`] when another request was first.
pub(crate) async fn keep(tx: &Transaction, answer: &Answer) -> Result<(), StoreError> {
    answer::Entity::delete_many()
        .filter(Column::Digest.eq(answer.digest.as_str()))
        .filter(Column::CreatedMs.lte(answer.forget.0))
        .exec(tx)
        .await?;
    let row = answer::Model {
        digest: answer.digest.clone(),
        request: answer.request.clone(),
        created_ms: answer.created.0,
        status: answer.status.into(),
        location: answer.location.clone(),
        body: answer.body.clone(),
    };
    answer::Entity::insert(row.into_active_model())
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
