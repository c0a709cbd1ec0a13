//! `jeroboam keys rotate`: a new master key, and every secret sealed with it again.

use anyhow::Context;
use jeroboam_pki::{Keyring, kid_of};
use jeroboam_store::SealedRow;
use jeroboam_types::ClusterId;
use secrecy::ExposeSecret;

use crate::cli::Configuration;
use crate::{configuration, output, serve};

/// Secrets that are sealed again in one go.
const BATCH: u64 = 100;

/// Rotates, while the service is stopped: a running one could not open what is sealed with a key that it has not
/// read. May be interrupted and run again: old keys stay in the file.
pub async fn rotate(arguments: &Configuration) -> anyhow::Result<()> {
    let config = configuration::load(arguments)?;
    let _lock = serve::lock(&config).context("the service must be stopped first")?;
    let store = serve::store(&config).await?;
    let path = &config.certificates.master_key_file;
    let keyring = Keyring::rotate(path)?;
    let mut after: Option<(ClusterId, String)> = None;
    let mut count = 0_u64;
    loop {
        let page = store
            .engine()
            .sealed_page(after.as_ref().map(|(id, name)| (*id, name.as_str())), BATCH)
            .await?;
        let Some(last) = page.last() else { break };
        after = Some((last.cluster, last.sealed.name.clone()));
        for SealedRow { cluster, sealed: row } in page {
            if kid_of(&row.sealed) == Some(keyring.primary_kid()) {
                continue;
            }
            let place = format!("sealed/{cluster}/{}", row.name);
            let plain = keyring
                .open_sealed(&place, &row.sealed)
                .with_context(|| format!("cannot open {} of cluster {cluster}", row.name))?;
            let sealed = keyring.seal(&place, plain.expose_secret())?;
            if store
                .engine()
                .replace_sealed(cluster, &row.name, &row.sealed, &sealed)
                .await?
            {
                count += 1;
            }
        }
    }
    store.close().await?;
    output::line(format!(
        "{count} secrets are sealed with key {} now",
        keyring.primary_kid()
    ))
}
