//! What look-ups have found, for a moment and for one token: who makes ten templates from one image asks Glance once.
//! Only what was found is remembered, never that something is missing, and equal look-ups at the same time are one.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use jeroboam_cloud::compute::{Flavor, Keypair};
use jeroboam_cloud::image::Image;
use jeroboam_cloud::network::{Network, Subnet};
use moka::future::Cache;

use crate::error::ApiResult;
use crate::sessions::Digest;

/// Things of one kind that are remembered at most.
const CAPACITY: u64 = 1_000;

/// What was found of each kind.
pub(crate) struct Memory {
    pub(crate) images: Kept<Image>,
    /// By all the names that one look-up was about.
    pub(crate) flavors: Kept<BTreeMap<String, Flavor>>,
    pub(crate) networks: Kept<Network>,
    pub(crate) external_networks: Kept<Network>,
    pub(crate) subnets: Kept<Subnet>,
    pub(crate) keypairs: Kept<Keypair>,
    /// Most servers in a server group of the token's project.
    pub(crate) server_group_members: Kept<Option<u32>>,
}

impl Memory {
    /// Remembers for so long; zero for not at all.
    pub(crate) fn new(kept: Duration) -> Self {
        Self {
            images: Kept::new(kept),
            flavors: Kept::new(kept),
            networks: Kept::new(kept),
            external_networks: Kept::new(kept),
            subnets: Kept::new(kept),
            keypairs: Kept::new(kept),
            server_group_members: Kept::new(kept),
        }
    }
}

/// What was found of one kind, by token and name. `None` remembers nothing.
pub(crate) struct Kept<T>(Option<Cache<(Digest, String), T>>);

impl<T: Clone + Send + Sync + 'static> Kept<T> {
    fn new(kept: Duration) -> Self {
        let cache = || {
            let cache = Cache::builder().max_capacity(CAPACITY);
            cache.time_to_live(kept).build()
        };
        Self((!kept.is_zero()).then(cache))
    }

    /// What is remembered, or what the look-up finds. Boxed: look-ups are large, and some requests make several at once.
    ///
    /// # Errors
    /// Those of the look-up, for all that waited for it.
    pub(crate) fn or_find<'a>(
        &'a self,
        token: Digest,
        ident: impl Into<String>,
        find: impl Future<Output = ApiResult<T>> + Send + 'a,
    ) -> Pin<Box<dyn Future<Output = ApiResult<T>> + Send + 'a>> {
        let Some(cache) = &self.0 else {
            return Box::pin(find);
        };
        let found = cache.try_get_with((token, ident.into()), find);
        Box::pin(async { found.await.map_err(|error| (*error).clone()) })
    }
}
