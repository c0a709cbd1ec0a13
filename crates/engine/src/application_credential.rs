//! Application credentials of a cluster's identity: what add-ons log in to the cloud with. The identity's own password
//! never leaves the service for that. Keystone drops them with the identity at the latest.

use std::collections::BTreeMap;

use jeroboam_cloud::identity as keystone;
use jeroboam_driver::{CloudLogin, Key, Made};
use jeroboam_plan::Entry;
use tracing::info;

use crate::context::Context;
use crate::fault::StepError;
use crate::identity;
use crate::options::IdentityMode;
use crate::resource::{Look, Seen};

const KIND: &str = "application-credential";

/// Key of the application credential after so many rotations.
pub(crate) fn key(rotations: i64) -> Key {
    Key::new(KIND, format!("cloud-{rotations}"))
}

/// Name of the sealed row of its secret.
fn row(key: &Key) -> String {
    format!("{KIND}/{}", key.name())
}

/// True where identities have application credentials: Keystone gives none to those that act by a trust.
pub(crate) fn are_used(context: &Context<'_>) -> bool {
    context.engine.options.identity == IdentityMode::Grant
}

/// What an interrupted try has made.
pub(crate) async fn find(context: &Context<'_>, entry: &Entry) -> Result<Vec<Seen>, StepError> {
    let session = context.session().await?;
    let user = session.token().await?.user_id.clone();
    let found = keystone::find_application_credentials(&session, &user, &entry.name).await?;
    Ok(found.into_iter().map(|credential| seen(credential.id)).collect())
}

/// Makes it. Its secret is sealed before Keystone hears of it.
pub(crate) async fn create(context: &Context<'_>, entry: &Entry) -> Result<Seen, StepError> {
    let session = context.session().await?;
    let user = session.token().await?.user_id.clone();
    let name = row(&entry.key);
    let secret = match identity::open(context, &name).await? {
        Some(secret) => secret,
        None => {
            let secret = identity::random_password();
            identity::seal(context, &name, &secret).await?;
            secret
        }
    };
    let description = format!("Cloud provider of container cluster {}", context.cluster.uuid);
    let made = keystone::create_application_credential(&session, &user, &entry.name, &secret, &description);
    let made = made.await?;
    info!(resource = %entry.key, "add-ons have a login of their own");
    Ok(seen(made.id))
}

/// Drops it, and its secret.
pub(crate) async fn drop(context: &Context<'_>, entry: &Entry) -> Result<bool, StepError> {
    let mut ids: Vec<String> = entry.id.iter().cloned().collect();
    if ids.is_empty() || entry.uncertain || entry.maybe_twice {
        ids.extend(find(context, entry).await?.into_iter().map(|seen| seen.id));
    }
    let session = context.session().await?;
    let user = session.token().await?.user_id.clone();
    for id in ids {
        keystone::delete_application_credential(&session, &user, &id).await?;
    }
    let store = context.engine.store.engine();
    store.drop_sealed(context.claim, &row(&entry.key)).await?;
    Ok(true)
}

/// Who an add-on is in the cloud: by the credential that it needs, or by the identity's trust.
pub(crate) async fn login(
    context: &Context<'_>,
    add_on: &Entry,
    made: &Made,
) -> Result<CloudLogin, StepError> {
    let missing = || StepError::Again("the login of add-ons is not made".to_owned());
    if !are_used(context) {
        return identity::trust_login(context).await;
    }
    let key = add_on.needs.iter().find(|need| need.kind() == KIND);
    let key = key.ok_or_else(missing)?;
    let id = made.0.get(key).map(|made| made.id.clone()).ok_or_else(missing)?;
    let secret = identity::open(context, &row(key)).await?.ok_or_else(missing)?;
    Ok(CloudLogin::Application { id, secret })
}

fn seen(id: String) -> Seen {
    Seen {
        id,
        look: Look::Ready(BTreeMap::new()),
    }
}
