//! What look-ups have found, for a moment and for one token: who makes ten templates from one image asks Glance once.
//! Only what was found is remembered, never that something is missing, and equal look-ups at the same time are one.
//! Nothing is remembered for longer than that moment, however often it is used.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

/// What was found of one kind, by token and name.
pub(crate) struct Kept<T> {
    /// Without one nothing is remembered.
    cache: Option<Cache<Key, Arc<Found<T>>>>,
    /// Age at which one request looks again, while others go on with what is remembered: they would all have to wait
    /// for it otherwise when the time is over.
    renewed_after: Duration,
}

type Key = (Digest, String);

struct Found<T> {
    what: T,
    since: Instant,
    is_renewed: AtomicBool,
}

impl<T> Found<T> {
    fn new(what: T) -> Arc<Self> {
        Arc::new(Self {
            what,
            since: Instant::now(),
            is_renewed: AtomicBool::new(false),
        })
    }

    /// True once, for who is to look again.
    fn is_to_be_renewed(&self, after: Duration) -> bool {
        self.since.elapsed() >= after && !self.is_renewed.swap(true, Ordering::Relaxed)
    }
}

impl<T: Clone + Send + Sync + 'static> Kept<T> {
    fn new(kept: Duration) -> Self {
        let cache = || {
            let cache = Cache::builder().max_capacity(CAPACITY);
            cache.time_to_live(kept).build()
        };
        Self {
            cache: (!kept.is_zero()).then(cache),
            renewed_after: kept * 4 / 5,
        }
    }

    /// What is remembered, or what the look-up finds. Boxed: look-ups are large, and some requests make several at once.
    ///
    /// # Errors
    /// Those of the look-up, for all that waited for it.
    pub(crate) fn or_find<'a, F>(
        &'a self,
        token: Digest,
        ident: impl Into<String>,
        find: impl FnOnce() -> F + Send + 'a,
    ) -> Pin<Box<dyn Future<Output = ApiResult<T>> + Send + 'a>>
    where
        F: Future<Output = ApiResult<T>> + Send + 'a,
    {
        let Some(cache) = &self.cache else {
            return Box::pin(find());
        };
        let key = (token, ident.into());
        Box::pin(async move {
            let Some(kept) = cache.get(&key).await else {
                let find = Box::pin(async { find().await.map(Found::new) });
                let found = Box::pin(cache.try_get_with(key, find)).await;
                return found
                    .map(|found| found.what.clone())
                    .map_err(|error| (*error).clone());
            };
            // A look-up that fails now is made again when the time is over, and whoever needs it then hears of it.
            if kept.is_to_be_renewed(self.renewed_after)
                && let Ok(what) = Box::pin(find()).await
            {
                cache.insert(key, Found::new(what.clone())).await;
                return Ok(what);
            }
            Ok(kept.what.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::error::ApiError;

    const TOKEN: Digest = [0; 32];

    async fn first(renewed_after: Duration) -> Kept<u8> {
        let kept = Kept {
            renewed_after,
            ..Kept::new(Duration::from_secs(600))
        };
        assert_eq!(kept.or_find(TOKEN, "a", || ready(Ok(1))).await.unwrap(), 1);
        kept
    }

    #[tokio::test]
    async fn what_is_fresh_is_not_looked_up() {
        let kept = first(Duration::from_secs(60)).await;
        assert_eq!(kept.or_find(TOKEN, "a", || ready(Ok(2))).await.unwrap(), 1);
        assert_eq!(kept.or_find(TOKEN, "b", || ready(Ok(3))).await.unwrap(), 3);
        assert_eq!(kept.or_find([1; 32], "a", || ready(Ok(4))).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn one_looks_again_while_others_go_on() {
        let kept = first(Duration::ZERO).await;
        let mut looks = kept.or_find(TOKEN, "a", pending);
        assert!((&mut looks).now_or_never().is_none());
        assert_eq!(kept.or_find(TOKEN, "a", || ready(Ok(2))).await.unwrap(), 1);
        drop(looks);
        assert_eq!(kept.or_find(TOKEN, "a", || ready(Ok(2))).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_is_found_again_takes_the_place_of_the_old_and_a_failure_does_not() {
        let kept = first(Duration::ZERO).await;
        assert_eq!(kept.or_find(TOKEN, "a", || ready(Ok(2))).await.unwrap(), 2);
        let failure = || ready(Err(ApiError::bad_request("away")));
        assert_eq!(kept.or_find(TOKEN, "a", failure).await.unwrap(), 2);
    }
}
