//! Tokens that nodes fetch their secrets by. Only digests are here: what is stored lets nobody in.

use jeroboam_driver::Key;
use jeroboam_types::{ClusterId, Millis};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::engine::fence;
use crate::row::node_token::{self, Column, Entity, Model};
use crate::row::parsed;
use crate::unbroken::Transaction;
use crate::{Claim, Engine, StoreError};

/// A token as it is known to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeToken {
    /// Its public half.
    pub id: String,
    /// Cluster of the node.
    pub cluster: ClusterId,
    /// Key of the node's server.
    pub server: Key,
    /// SHA-256 of the secret half, in hexadecimal.
    pub digest: String,
    /// When it is void.
    pub expires: Millis,
    /// When it was first used.
    pub taken: Option<Millis>,
}

impl NodeToken {
    fn read(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            cluster: parsed("cluster_uuid", &row.cluster_uuid)?,
            id: row.id,
            server: Key::stored(row.server),
            digest: row.digest,
            expires: Millis(row.expires_ms),
            taken: row.taken_ms.map(Millis),
        })
    }
}

impl Engine<'_> {
    /// Writes a new token beside those that the node has: a server whose creation had no known outcome may turn out
    /// to exist, with the earlier one.
    pub async fn put_node_token(&self, claim: &Claim, token: &NodeToken) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            fence(&tx, claim).await?;
            let row = Model {
                id: token.id.clone(),
                cluster_uuid: claim.cluster.to_string(),
                server: token.server.to_string(),
                digest: token.digest.clone(),
                expires_ms: token.expires.0,
                taken_ms: token.taken.map(|taken| taken.0),
            };
            Entity::insert(row.into_active_model())
                .exec_without_returning(&*tx)
                .await?;
            Ok::<_, StoreError>(())
        }
        .await;
        tx.finish(result).await
    }

    /// Removes the tokens of a server; that there are none is no error.
    pub async fn drop_node_tokens(&self, claim: &Claim, server: &Key) -> Result<(), StoreError> {
        let tx = self.0.begin().await?;
        let result = async {
            fence(&tx, claim).await?;
            Entity::delete_many()
                .filter(Column::ClusterUuid.eq(claim.cluster.to_string()))
                .filter(Column::Server.eq(server.as_str()))
                .exec(&*tx)
                .await?;
            Ok::<_, StoreError>(())
        }
        .await;
        tx.finish(result).await
    }

    /// A token by its public half. Needs no claim.
    pub async fn find_node_token(&self, id: &str) -> Result<Option<NodeToken>, StoreError> {
        let row = Entity::find_by_id(id.to_owned()).one(&self.0.db).await?;
        row.map(NodeToken::read).transpose()
    }

    /// Notes the first use of a token. Needs no claim; a token that was used or is gone stays so.
    pub async fn take_node_token(&self, id: &str, now: Millis) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::TakenMs, Expr::value(now.0))
            .filter(Column::Id.eq(id))
            .filter(Column::TakenMs.is_null())
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    /// Removes a token that has done its work. Needs no claim.
    pub async fn void_node_token(&self, id: &str) -> Result<(), StoreError> {
        Entity::delete_by_id(id.to_owned()).exec(&self.0.db).await?;
        Ok(())
    }
}

/// Removes every token of a cluster.
pub(crate) async fn forget(tx: &Transaction, cluster: &str) -> Result<(), StoreError> {
    node_token::Entity::delete_many()
        .filter(Column::ClusterUuid.eq(cluster))
        .exec(tx)
        .await?;
    Ok(())
}
