//! Look-ups in the cloud with the caller's own token: what a name or id stands for, if the caller may see it.

use std::collections::{BTreeMap, BTreeSet};

use jeroboam_cloud::compute::{Flavor, Keypair};
use jeroboam_cloud::image::Image;
use jeroboam_cloud::network::{Network, Subnet};
use jeroboam_cloud::{Error, Find, Kind, Session, compute, image, network};

use crate::context::Context;
use crate::error::{ApiError, ApiResult, of_cloud};
use crate::sessions::{self, Digest};
use crate::validate::memory::Memory;

/// Nova's default of the quota `server_group_members`.
const SERVER_GROUP_MEMBERS: u32 = 10;

/// Looks things up for one request.
pub(crate) struct Lookup<'a> {
    session: Session,
    token: Digest,
    memory: &'a Memory,
    keystone_uri: &'a str,
}

impl<'a> Lookup<'a> {
    /// With the caller's token.
    pub(crate) fn new(cx: &'a Context) -> Self {
        Self {
            session: cx.session(),
            token: sessions::key(&cx.caller.token),
            memory: &cx.site.memory,
            keystone_uri: &cx.site.settings.keystone_uri,
        }
    }

    fn refused(&self) -> impl Fn(Error) -> ApiError + '_ {
        |error| of_cloud(&error, self.keystone_uri)
    }

    /// An image.
    ///
    /// # Errors
    /// 400 without one, 409 with several, 403 for one that the caller may not read.
    pub(crate) async fn image(&self, ident: &str) -> ApiResult<Image> {
        let find = || async {
            let found = image::find_image(&self.session, ident)
                .await
                .map_err(|error| match error.kind {
                    Kind::NotAllowed => ApiError::forbidden(format!("Not authorized for image {ident}.")),
                    _ => self.refused()(error),
                })?;
            only(found, "image", ident)
        };
        self.memory.images.or_find(self.token, ident, find).await
    }

    /// Flavors by what they are called, each once.
    ///
    /// # Errors
    /// 400 without one, 409 with several.
    pub(crate) async fn flavors(
        &self,
        idents: impl IntoIterator<Item = &str>,
    ) -> ApiResult<BTreeMap<String, Flavor>> {
        let idents: BTreeSet<&str> = idents.into_iter().collect();
        let all = idents.iter().copied().collect::<Vec<_>>().join("\n");
        let find = || async {
            // Boxed, as is what calls it: look-ups at once are too large for the stack of every request.
            let found = Box::pin(compute::find_flavors(&self.session, idents)).await;
            let found = found.map_err(self.refused())?.into_iter();
            found
                .map(|(ident, found)| Ok((ident.clone(), only(found, "flavor", &ident)?)))
                .collect()
        };
        self.memory.flavors.or_find(self.token, all, find).await
    }

    /// An external network.
    ///
    /// # Errors
    /// 400 without one, 409 with several.
    pub(crate) async fn external_network(&self, ident: &str) -> ApiResult<Network> {
        let find = || async {
            let found = network::find_network(&self.session, ident, Some(true)).await;
            only(found.map_err(self.refused())?, "external network", ident)
        };
        self.memory
            .external_networks
            .or_find(self.token, ident, find)
            .await
    }

    /// A network.
    ///
    /// # Errors
    /// 400 without one, 409 with several.
    pub(crate) async fn network(&self, ident: &str) -> ApiResult<Network> {
        let find = || async {
            let found = network::find_network(&self.session, ident, None).await;
            only(found.map_err(self.refused())?, "fixed network", ident)
        };
        self.memory.networks.or_find(self.token, ident, find).await
    }

    /// A subnet.
    ///
    /// # Errors
    /// 400 without one, 409 with several.
    pub(crate) async fn subnet(&self, ident: &str) -> ApiResult<Subnet> {
        let find = || async {
            let found = network::find_subnet(&self.session, ident).await;
            only(found.map_err(self.refused())?, "fixed subnet", ident)
        };
        self.memory.subnets.or_find(self.token, ident, find).await
    }

    /// The IPv4 subnet of a network, if it has one and no more.
    ///
    /// # Errors
    /// Those of the cloud.
    pub(crate) async fn only_subnet(&self, network: &Network) -> ApiResult<Option<Subnet>> {
        let found = network::subnets_of(&self.session, &network.id).await;
        let only = <[Subnet; 1]>::try_from(found.map_err(self.refused())?);
        Ok(only.ok().map(|[subnet]| subnet))
    }

    /// Router of the caller's project that a subnet is on.
    ///
    /// # Errors
    /// Those of the cloud.
    pub(crate) async fn own_router(&self, subnet: &Subnet) -> ApiResult<Option<String>> {
        let found = network::own_router_of(&self.session, &subnet.id).await;
        found.map_err(self.refused())
    }

    /// Most servers in a server group of the project; `None` for any number. Where Nova does not say, it is Nova's own
    /// default.
    ///
    /// # Errors
    /// Those of the cloud.
    pub(crate) async fn server_group_members(&self) -> ApiResult<Option<u32>> {
        let find = || async {
            match compute::server_group_members(&self.session).await {
                Err(error) if matches!(error.kind, Kind::NotAllowed | Kind::NotFound | Kind::Malformed) => {
                    Ok(Some(SERVER_GROUP_MEMBERS))
                }
                found => found.map_err(self.refused()),
            }
        };
        let memory = &self.memory.server_group_members;
        memory.or_find(self.token, "", find).await
    }

    /// A keypair of the caller.
    ///
    /// # Errors
    /// 404 without one.
    pub(crate) async fn keypair(&self, name: &str) -> ApiResult<Keypair> {
        let find = || async {
            let found = compute::find_keypair(&self.session, name).await;
            found.map_err(self.refused())?.ok_or_else(|| {
                let reason = format!("Unable to find keypair {name}.");
                ApiError::handler(axum::http::StatusCode::NOT_FOUND, reason)
            })
        };
        self.memory.keypairs.or_find(self.token, name, find).await
    }
}

fn only<T>(found: Find<T>, kind: &str, ident: &str) -> ApiResult<T> {
    match found {
        Find::One(one) => Ok(one),
        Find::None => Err(ApiError::bad_request(format!("Unable to find {kind} {ident}."))),
        Find::Many => Err(ApiError::conflict(format!(
            "Several {}s are named {ident}. Use the UUID instead.",
            kind.trim_start_matches("fixed ")
        ))),
    }
}

/// Awaits a look-up of something that may not have been named.
pub(crate) async fn optional<T>(
    ident: Option<&str>,
    find: impl AsyncFnOnce(&str) -> ApiResult<T>,
) -> ApiResult<Option<T>> {
    match ident {
        Some(ident) => find(ident).await.map(Some),
        None => Ok(None),
    }
}

/// Without a boot volume a flavor needs a disk of its own.
///
/// # Errors
/// 400 for a flavor without one.
pub(crate) fn check_root_volume(flavor: &Flavor) -> ApiResult<()> {
    if flavor.disk_gib > 0 {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "Flavor {} has no root disk. Set the label boot_volume_size to boot from a volume.",
        flavor.name
    )))
}
