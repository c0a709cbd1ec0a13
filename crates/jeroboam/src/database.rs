//! `jeroboam db`.

use jeroboam_store::Store;
use secrecy::ExposeSecret;

use crate::cli::Configuration;
use crate::serve::told;
use crate::{configuration, output};

/// Brings the schema up to date.
pub async fn upgrade(arguments: &Configuration) -> anyhow::Result<()> {
    let config = configuration::load(arguments)?;
    let store = Store::connect(config.database.connection.expose_secret(), 1)
        .await
        .map_err(told)?;
    let needed = store.needs_migration().await.map_err(told)?;
    store.migrate().await.map_err(told)?;
    store.close().await?;
    output::line(if needed {
        "the schema is up to date now"
    } else {
        "the schema was up to date"
    })
}
