//! Add-ons of a cluster: looked at, applied and removed through its driver.

use std::collections::BTreeMap;

use jeroboam_cloud::{Interface, Service, volume};
use jeroboam_driver::{Access, AddOnAsk, AddOnState, CloudAccess, Departure, Made, Spec};
use jeroboam_plan::Entry;

use crate::context::Context;
use crate::fault::StepError;
use crate::resource::Look;
use crate::{application_credential, autoscaler};

/// Looks at an add-on, and applies it when it is not what it should be. Bounded like a call to a cloud, so that it
/// outlives no lease.
pub(crate) async fn look(context: &Context<'_>, entry: &Entry, made: &Made) -> Result<Look, StepError> {
    if context.engine.options.trust_server_active {
        return Ok(Look::Ready(BTreeMap::new()));
    }
    let limit = context.engine.options.call_timeout;
    match tokio::time::timeout(limit, ensure(context, entry, made)).await {
        Ok(look) => look,
        Err(_) => Ok(Look::Pending("the cluster's API takes too long".to_owned())),
    }
}

async fn ensure(context: &Context<'_>, entry: &Entry, made: &Made) -> Result<Look, StepError> {
    let Spec::AddOn {
        revision, autoscales, ..
    } = &entry.spec
    else {
        return Err(StepError::Ours(format!("{} is no add-on", entry.key)));
    };
    let Some(access) = context.access(made).await? else {
        return Ok(Look::Pending("without an address".to_owned()));
    };
    let (driver, ask, name) = (context.driver()?, context.ask()?, entry.key.name());
    let state = driver.look_at_add_on(ask, name, revision, &access).await;
    let must_renew = *autoscales && autoscaler::must_renew(context).await?;
    if state != AddOnState::Outdated && !must_renew {
        if *autoscales && state == AddOnState::Ready {
            autoscaler::retire(context).await?;
        }
        return Ok(look_of(state));
    }
    Ok(look_of(apply(context, entry, made, &access).await?))
}

/// Applies an add-on that somebody has changed, in the same bounds.
pub(crate) async fn mend(context: &Context<'_>, entry: &Entry, made: &Made) -> Result<AddOnState, StepError> {
    let again = async {
        match context.access(made).await? {
            Some(access) => apply(context, entry, made, &access).await,
            None => Ok(AddOnState::NotYet("without an address".to_owned())),
        }
    };
    match tokio::time::timeout(context.engine.options.call_timeout, again).await {
        Ok(state) => state,
        Err(_) => Ok(AddOnState::NotYet("the cluster's API takes too long".to_owned())),
    }
}

async fn apply(
    context: &Context<'_>,
    entry: &Entry,
    made: &Made,
    access: &Access,
) -> Result<AddOnState, StepError> {
    let Spec::AddOn {
        revision,
        cloud,
        autoscales,
    } = &entry.spec
    else {
        return Err(StepError::Ours(format!("{} is no add-on", entry.key)));
    };
    let cloud = match cloud {
        true => Some(cloud_access(context, entry, made).await?),
        false => None,
    };
    let service = match autoscales {
        true => Some(autoscaler::access(context).await?),
        false => None,
    };
    let auth_url = match &cloud {
        Some(cloud) => Some(cloud.auth_url.clone()),
        // An add-on that needs to know it says so, and comes again.
        None => auth_url(context).await.ok(),
    };
    let add_on = AddOnAsk {
        ask: context.ask()?,
        made,
        name: entry.key.name(),
        revision,
        auth_url: auth_url.as_deref(),
        cloud: cloud.as_ref(),
        service: service.as_ref(),
    };
    Ok(context.driver()?.apply_add_on(&add_on, access).await)
}

fn look_of(state: AddOnState) -> Look {
    match state {
        AddOnState::Ready => Look::Ready(BTreeMap::new()),
        AddOnState::NotYet(seen) => Look::Pending(seen),
        AddOnState::Outdated => Look::Pending("it is to be applied".to_owned()),
        AddOnState::Stuck(cause) => Look::Stuck(cause),
    }
}

/// Takes an add-on out. When all of the cluster goes, nobody is left to miss it.
pub(crate) async fn remove(context: &Context<'_>, entry: &Entry, made: &Made) -> Result<bool, StepError> {
    if context.is_deletion || context.engine.options.trust_server_active {
        return Ok(true);
    }
    let Some(access) = context.access(made).await? else {
        return Ok(true);
    };
    let limit = context.engine.options.call_timeout;
    let removal = context.driver()?.remove_add_on(entry.key.name(), &access);
    match tokio::time::timeout(limit, removal).await {
        Ok(Departure::Gone) => {
            if matches!(entry.spec, Spec::AddOn { autoscales: true, .. }) {
                autoscaler::forget(context).await?;
            }
            Ok(true)
        }
        Ok(Departure::NotYet(seen) | Departure::AfterMachine(seen)) => Err(StepError::Pending(seen)),
        Err(_) => Err(StepError::Pending("the cluster's API takes too long".to_owned())),
    }
}

/// Keystone, as its own catalog has it for everybody.
async fn auth_url(context: &Context<'_>) -> Result<String, StepError> {
    let options = context.engine.connector.options();
    let token = context.session().await?.token().await?;
    let public = token
        .catalog
        .endpoint(Service::Identity, Interface::Public, options.region.as_deref());
    Ok(match public {
        Ok(url) => url.to_owned(),
        Err(_) => options.auth_url.clone(),
    })
}

async fn cloud_access(context: &Context<'_>, entry: &Entry, made: &Made) -> Result<CloudAccess, StepError> {
    let session = context.session().await?;
    let region = context.engine.connector.options().region.clone();
    let auth_url = auth_url(context).await?;
    let volume_types = match volume::volume_types(&session).await {
        Ok(types) => types,
        Err(error) if error.is_transient() => return Err(error.into()),
        // A cloud without Cinder.
        Err(_) => Vec::new(),
    };
    Ok(CloudAccess {
        auth_url,
        region,
        login: application_credential::login(context, entry, made).await?,
        volume_types,
    })
}
