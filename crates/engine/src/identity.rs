//! The identity that the engine works as in a tenant's project: a user of the service's own for each cluster.
//!
//! It is made first and dropped last. Its password exists before it does, sealed, so that an interrupted
//! creation can always be gone on with. The owner of the cluster may leave: nothing here is theirs, unless the
//! operator chose trusts.

use std::collections::BTreeMap;

use jeroboam_cloud::{Credentials, Scope, Session, UserName, identity as keystone};
use jeroboam_driver::{CloudLogin, Key};
use jeroboam_plan::{Entry, Ledger};
use jeroboam_store::{LedgerChange, Sealed, StoreError};
use jeroboam_types::{Cluster, ClusterId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::authorities::place;
use crate::context::{Context, identity_id, identity_key};
use crate::fault::StepError;
use crate::options::{IdentityMode, TrusteeDomain};
use crate::resource::{Look, Seen};
use crate::worker::Engine;

const PASSWORD: &str = "identity/password";
/// The next password, until Keystone is known to have it.
const NEXT_PASSWORD: &str = "identity/next";
/// Token of the creating user, kept only until the trust is made.
pub(crate) const CREATOR_TOKEN: &str = "creator/token";
const TRUST: &str = "trust_id";

/// Session of an identity that exists.
pub(crate) async fn session(context: &Context<'_>) -> Result<Session, StepError> {
    let ledger = context
        .engine
        .store
        .clusters()
        .ledger(context.cluster.uuid)
        .await?;
    session_of(context.engine, &context.cluster, &ledger).await
}

/// The same for who has no claim, and only looks.
pub(crate) async fn session_of(
    engine: &Engine,
    cluster: &Cluster,
    ledger: &Ledger,
) -> Result<Session, StepError> {
    let missing = || StepError::Ours("the cluster's identity is missing".to_owned());
    let user_id = identity_id(ledger).ok_or_else(missing)?.to_owned();
    let entry = ledger.get(&identity_key()).ok_or_else(missing)?;
    let scope = match entry.facts.get(TRUST).and_then(Value::as_str) {
        Some(trust) => Scope::Trust { id: trust.to_owned() },
        None => Scope::Project {
            id: cluster.project_id.to_string(),
        },
    };
    let password = open_of(engine, cluster.uuid, PASSWORD)
        .await?
        .ok_or_else(missing)?;
    let credentials = Credentials::Password {
        user: UserName::Id(user_id),
        password,
        scope,
    };
    Ok(engine.connector.session(credentials))
}

/// The identity as an add-on logs in with it, where it acts by a trust.
pub(crate) async fn trust_login(context: &Context<'_>) -> Result<CloudLogin, StepError> {
    let missing = || StepError::Ours("the cluster's identity is missing".to_owned());
    let ledger = context
        .engine
        .store
        .clusters()
        .ledger(context.cluster.uuid)
        .await?;
    let entry = ledger.get(&identity_key()).ok_or_else(missing)?;
    let trust = entry.facts.get(TRUST).and_then(Value::as_str);
    Ok(CloudLogin::Trust {
        user_id: entry.id.clone().ok_or_else(missing)?,
        password: password(context).await?.ok_or_else(missing)?,
        trust_id: trust.ok_or_else(missing)?.to_owned(),
    })
}

/// Users of the identity's name: none, or the one that an interrupted try has made.
pub(crate) async fn find(context: &Context<'_>) -> Result<Vec<Seen>, StepError> {
    let admin = context.engine.trustee_admin.with_request_id(&context.request_id);
    let domain = domain_id(context, &admin).await?;
    let users = keystone::find_users(&admin, &user_name(context), &domain).await?;
    let pending = || Look::Pending("without roles yet".to_owned());
    Ok(users
        .into_iter()
        .map(|user| Seen {
            id: user.id,
            look: pending(),
        })
        .collect())
}

/// Makes the user. Roles follow in [`look`].
pub(crate) async fn create(context: &Context<'_>) -> Result<Seen, StepError> {
    let admin = context.engine.trustee_admin.with_request_id(&context.request_id);
    let domain = domain_id(context, &admin).await?;
    let password = match password(context).await? {
        Some(password) => password,
        None => make_password(context).await?,
    };
    let description = format!("Identity of container cluster {}", context.cluster.uuid);
    let user = keystone::create_user(&admin, &user_name(context), &domain, &password, &description).await?;
    // The user is there now, whatever becomes of its rights: they are tried again.
    let look = match rights(context, &user.id).await {
        Ok(facts) => Look::Ready(facts),
        Err(StepError::Store(error)) => return Err(error.into()),
        Err(_) => Look::Pending("without roles yet".to_owned()),
    };
    Ok(Seen { id: user.id, look })
}

/// Gives the user its rights, if an interrupted try did not.
pub(crate) async fn look(context: &Context<'_>, user_id: &str) -> Result<Option<Look>, StepError> {
    Ok(Some(Look::Ready(rights(context, user_id).await?)))
}

async fn rights(context: &Context<'_>, user_id: &str) -> Result<BTreeMap<String, Value>, StepError> {
    let mut facts = BTreeMap::new();
    match context.engine.options.identity {
        IdentityMode::Grant => grant(context, user_id).await?,
        IdentityMode::Trust => drop(facts.insert(TRUST.to_owned(), json!(trust(context, user_id).await?))),
    }
    Ok(facts)
}

async fn grant(context: &Context<'_>, user_id: &str) -> Result<(), StepError> {
    let service = context.engine.service.with_request_id(&context.request_id);
    let wanted = &context.engine.options.roles;
    let roles = keystone::list_roles(&service).await?;
    for name in wanted {
        let role = roles.iter().find(|role| role.name == *name);
        let role =
            role.ok_or_else(|| StepError::Ours(format!("role {name:?} does not exist in Keystone")))?;
        keystone::grant_role(&service, context.cluster.project_id.as_str(), user_id, &role.id).await?;
    }
    Ok(())
}

async fn trust(context: &Context<'_>, user_id: &str) -> Result<String, StepError> {
    // Keystone lets a trustee list its own trusts.
    let password = password(context)
        .await?
        .ok_or_else(|| StepError::Ours("the password is missing".into()))?;
    let own = context.engine.connector.session(Credentials::Password {
        user: UserName::Id(user_id.to_owned()),
        password,
        scope: Scope::Unscoped,
    });
    let trusts = keystone::find_trusts(&own, user_id).await?;
    if let Some(trust) = trusts
        .into_iter()
        .find(|trust| trust.project_id.as_deref() == Some(context.cluster.project_id.as_str()))
    {
        context
            .engine
            .store
            .engine()
            .drop_sealed(context.claim, CREATOR_TOKEN)
            .await?;
        return Ok(trust.id);
    }
    let creator = context.engine.connector.session(Credentials::Token {
        token: creator_token(context).await?,
    });
    let roles = match context.engine.options.roles.is_empty() {
        true => creator.token().await?.roles.clone(),
        false => context.engine.options.roles.clone(),
    };
    let trust = keystone::create_trust(
        &creator,
        context.cluster.user_id.as_str(),
        user_id,
        context.cluster.project_id.as_str(),
        &roles,
        true,
    )
    .await?;
    context
        .engine
        .store
        .engine()
        .drop_sealed(context.claim, CREATOR_TOKEN)
        .await?;
    Ok(trust.id)
}

/// Drops the trust and the user; its role assignments go with it.
pub(crate) async fn drop_user(context: &Context<'_>, entry: &Entry) -> Result<bool, StepError> {
    let admin = context.engine.trustee_admin.with_request_id(&context.request_id);
    if let Some(trust) = entry.facts.get(TRUST).and_then(Value::as_str) {
        // The trustee acts as the trustor, and may therefore end the trust. If the trustor is gone, so is the
        // trust, and the session cannot even start.
        match keystone::delete_trust(&context.session().await?, trust).await {
            Err(error) if error.is_transient() => return Err(error.into()),
            _ => {}
        }
    }
    // By name too: a mended identity may be another user than the one that the entry was read with.
    let mut users: Vec<String> = find(context).await?.into_iter().map(|user| user.id).collect();
    users.extend(entry.id.clone().filter(|id| !users.contains(id)));
    for user in users {
        match keystone::delete_user(&admin, &user).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    context.engine.cache_session(context.cluster.uuid, None);
    Ok(true)
}

/// Mends an identity that a service refused: gives it its own password and its rights again, or makes it anew if
/// it is gone. What cannot be mended stays as it is; the step that met it names the refusal.
pub(crate) async fn repair(context: &Context<'_>) -> Result<(), StoreError> {
    match try_repair(context).await {
        Ok(()) => {}
        Err(StepError::Store(error)) => return Err(error),
        Err(error) => warn!(fault = %error.fault(&identity_key()), "cannot mend the cluster's identity"),
    }
    context.engine.cache_session(context.cluster.uuid, None);
    Ok(())
}

/// Gives the identity a new password. The old one ends with it, and so do its tokens. The new one is sealed before
/// Keystone hears of it, so that a try that was interrupted anywhere is gone on with by the next.
pub(crate) async fn rotate(context: &Context<'_>, key: &Key) -> Result<(), StepError> {
    let _turn = context.password.lock().await;
    let store = context.engine.store.engine();
    let ledger = context
        .engine
        .store
        .clusters()
        .ledger(context.cluster.uuid)
        .await?;
    let user = identity_id(&ledger)
        .ok_or_else(|| StepError::Ours("the cluster's identity is missing".to_owned()))?;
    let next = match open(context, NEXT_PASSWORD).await? {
        Some(next) => next,
        None => {
            let next = random_password();
            seal(context, NEXT_PASSWORD, &next).await?;
            next
        }
    };
    let admin = context.engine.trustee_admin.with_request_id(&context.request_id);
    keystone::set_password(&admin, user, &next).await?;
    seal(context, PASSWORD, &next).await?;
    store.drop_sealed(context.claim, NEXT_PASSWORD).await?;
    context.engine.cache_session(context.cluster.uuid, None);
    info!(resource = %key, "the cluster's identity has a new password");
    Ok(())
}

async fn try_repair(context: &Context<'_>) -> Result<(), StepError> {
    let _turn = context.password.lock().await;
    let mut ledger = context
        .engine
        .store
        .clusters()
        .ledger(context.cluster.uuid)
        .await?;
    let Some(mut entry) = ledger.remove(&identity_key()) else {
        return Ok(());
    };
    let (Some(id), Some(password)) = (entry.id.clone(), password(context).await?) else {
        return Ok(());
    };
    let admin = context.engine.trustee_admin.with_request_id(&context.request_id);
    let user = keystone::find_user(&admin, &id).await?;
    let id = match user {
        Some(user) => {
            keystone::set_password(&admin, &user.id, &password).await?;
            user.id
        }
        None => create(context).await?.id,
    };
    entry.facts = rights(context, &id).await?;
    entry.id = Some(id);
    warn!("the cluster's identity was changed from outside and is mended");
    context.write(&[LedgerChange::Put(entry)]).await?;
    Ok(())
}

fn user_name(context: &Context<'_>) -> String {
    format!("{}_{}", context.cluster.uuid, context.cluster.project_id)
}

async fn domain_id(context: &Context<'_>, admin: &Session) -> Result<String, StepError> {
    match &context.engine.options.trustee_domain {
        TrusteeDomain::Id(id) => Ok(id.clone()),
        // The administrator's own token names the domain, without a right to list domains.
        TrusteeDomain::Name(name) => {
            let token = admin.token().await?;
            let id = token.domain_id.clone();
            id.ok_or_else(|| StepError::Ours(format!("no domain-scoped token for trustee domain {name:?}")))
        }
    }
}

async fn password(context: &Context<'_>) -> Result<Option<SecretString>, StepError> {
    open(context, PASSWORD).await
}

async fn creator_token(context: &Context<'_>) -> Result<SecretString, StepError> {
    let token = open(context, CREATOR_TOKEN).await?;
    token.ok_or_else(|| StepError::Ours("the creating user's token is gone".to_owned()))
}

pub(crate) async fn open(context: &Context<'_>, name: &str) -> Result<Option<SecretString>, StepError> {
    open_of(context.engine, context.cluster.uuid, name).await
}

pub(crate) async fn open_of(
    engine: &Engine,
    cluster: ClusterId,
    name: &str,
) -> Result<Option<SecretString>, StepError> {
    let Some(row) = engine.store.engine().find_sealed(cluster, name).await? else {
        return Ok(None);
    };
    let opened = engine.keyring.open_text(&place(cluster, name), &row.sealed);
    opened
        .map(Some)
        .map_err(|error| StepError::Ours(error.to_string()))
}

async fn make_password(context: &Context<'_>) -> Result<SecretString, StepError> {
    let password = random_password();
    seal(context, PASSWORD, &password).await?;
    Ok(password)
}

pub(crate) async fn seal(context: &Context<'_>, name: &str, secret: &SecretString) -> Result<(), StepError> {
    let place = place(context.cluster.uuid, name);
    let sealed = context
        .engine
        .keyring
        .seal(&place, secret.expose_secret().as_bytes());
    let row = Sealed {
        name: name.to_owned(),
        public_part: None,
        sealed: sealed.map_err(|error| StepError::Ours(error.to_string()))?,
    };
    Ok(context
        .engine
        .store
        .engine()
        .put_sealed(context.claim, &row)
        .await?)
}

/// 244 random bits with the kinds of characters that password rules ask for.
pub(crate) fn random_password() -> SecretString {
    let random = uuid::Uuid::new_v4;
    format!("Jb-{}{}", random().simple(), random().simple()).into()
}
