//! What clusters' autoscalers are known by: certificates that this service makes, signs for nobody else, and remembers.
//!
//! A certificate is good because it is in the database, and for as long as it is; who has signed it says nothing. It
//! names its cluster, so that it can be looked for, and opens nothing besides. The one before it stays good until the
//! autoscaler works with the new one. See `docs/adr/0015-autoscaling.md`.

use std::time::Duration;

use jeroboam_cloud::Find;
use jeroboam_cloud::compute::{Flavor, find_flavors};
use jeroboam_driver::{KeyPair, ServiceAccess};
use jeroboam_pki::{
    Authority, Issued, LeafRequest, Purpose, RsaBits, Validity, certificate_der, common_name,
};
use jeroboam_store::{GoalKind, Sealed};
use jeroboam_types::{ClusterId, Millis};
use secrecy::ExposeSecret;
use tracing::info;

use crate::authorities::place;
use crate::bootstrap::{BootstrapError, Endpoint};
use crate::context::Context;
use crate::fault::StepError;
use crate::identity;
use crate::worker::Engine;

/// What the names of the sealed rows begin with; then follow the number of the credential's rotation and the moment
/// of the issue, so that the newest is the last by name.
const ROWS: &str = "autoscaler/";

/// What the common name of a certificate begins with, before the cluster's id.
const COMMON_NAME: &str = "autoscaler:";

/// Days that a certificate is good.
const LIFE_DAYS: u32 = 365;

/// Age from which a certificate is renewed: half a year is left for what may keep that from happening.
const RENEWED_AFTER: Duration = Duration::from_secs(180 * 86_400);

/// Age from which a certificate is made anew when the endpoint is elsewhere: processes with endpoints of their own must
/// not do that in turns all the time.
const MOVED_AFTER: Duration = Duration::from_secs(86_400);

/// Last line of a certificate.
const END: &str = "-----END CERTIFICATE-----";

/// How the cluster's autoscaler reaches this service. The certificate is made anew when it is due.
pub(crate) async fn access(context: &Context<'_>) -> Result<ServiceAccess, StepError> {
    let endpoint = context.engine.options.bootstrap.as_ref();
    let endpoint = endpoint.ok_or_else(|| {
        StepError::Ours("this service has no endpoint for clusters ([bootstrap] url)".to_owned())
    })?;
    let rows = rows(context.engine, context.cluster.uuid).await?;
    let newest = match rows.last() {
        Some(newest) if !is_due(newest, context) => newest.clone(),
        _ => issue(context, endpoint, rows).await?,
    };
    let key = identity::open(context, &newest.name).await?;
    let missing = || StepError::Again("the autoscaler's certificate is gone".to_owned());
    let given = Given::of(&newest).ok_or_else(missing)?;
    Ok(ServiceAccess {
        address: given.address.to_owned(),
        authority: given.authority.to_owned(),
        client: KeyPair {
            certificate: given.certificate.to_owned(),
            key: key.ok_or_else(missing)?,
        },
    })
}

/// What an autoscaler was given besides its key, as it is kept: a line with the address, its certificate, and those that
/// it trusts.
struct Given<'r> {
    address: &'r str,
    certificate: &'r str,
    authority: &'r str,
}

impl<'r> Given<'r> {
    fn of(row: &'r Sealed) -> Option<Self> {
        let (address, rest) = row.public_part.as_deref()?.split_once('\n')?;
        let end = rest.find(END)? + END.len();
        let (certificate, authority) = rest.split_at(end);
        Some(Self {
            address,
            certificate,
            authority: authority.strip_prefix('\n')?,
        })
    }

    /// True when the endpoint is where it was, and known by the same certificates.
    fn leads_to(&self, endpoint: &Endpoint) -> bool {
        self.address == address(endpoint) && self.authority == endpoint.authority
    }
}

fn address(endpoint: &Endpoint) -> String {
    with_port(endpoint.url.strip_prefix("https://").unwrap_or(&endpoint.url))
}

/// Number of the present half-year. The add-on is looked at by the first change in each, so that certificates are renewed
/// where nobody looks at add-ons: at the latest after two of them, which is before their end.
pub(crate) fn period(now: Millis) -> i64 {
    let length = i64::try_from(RENEWED_AFTER.as_millis()).unwrap_or(i64::MAX);
    now.0 / length
}

/// True when the autoscaler is to have another certificate.
pub(crate) async fn must_renew(context: &Context<'_>) -> Result<bool, StepError> {
    let rows = rows(context.engine, context.cluster.uuid).await?;
    Ok(rows.last().is_none_or(|newest| is_due(newest, context)))
}

/// True when the certificate of a cluster has half of its life behind it, or leads to where the endpoint was.
pub(crate) async fn is_ending(engine: &Engine, cluster: ClusterId) -> Result<bool, StepError> {
    let rows = rows(engine, cluster).await?;
    Ok(rows.last().is_none_or(|newest| is_old(newest, engine)))
}

/// Ends all certificates but the newest.
pub(crate) async fn retire(context: &Context<'_>) -> Result<(), StepError> {
    let mut rows = rows(context.engine, context.cluster.uuid).await?;
    rows.pop();
    drop_all(context, &rows).await
}

/// Ends all certificates.
pub(crate) async fn forget(context: &Context<'_>) -> Result<(), StepError> {
    let rows = rows(context.engine, context.cluster.uuid).await?;
    drop_all(context, &rows).await
}

async fn drop_all(context: &Context<'_>, rows: &[Sealed]) -> Result<(), StepError> {
    let store = context.engine.store.engine();
    for row in rows {
        store.drop_sealed(context.claim, &row.name).await?;
    }
    Ok(())
}

/// Makes a certificate. The last of those before it stays, because the autoscaler still shows that.
async fn issue(
    context: &Context<'_>,
    endpoint: &Endpoint,
    mut before: Vec<Sealed>,
) -> Result<Sealed, StepError> {
    let (cluster, now) = (context.cluster.uuid, context.now());
    let made = tokio::task::spawn_blocking(move || make(cluster, now)).await;
    let made = made.map_err(|_| StepError::Again("the key generator died".to_owned()))?;
    let made = made.map_err(|error| StepError::Ours(error.to_string()))?;
    let name = format!("{ROWS}{:06}/{:015}", context.credential, now.0);
    let sealed = context
        .engine
        .keyring
        .seal(&place(cluster, &name), made.key_pem.expose_secret().as_bytes());
    let row = Sealed {
        name,
        public_part: Some(format!(
            "{}\n{}\n{}",
            address(endpoint),
            made.certificate_pem.trim_end(),
            endpoint.authority
        )),
        sealed: sealed.map_err(|error| StepError::Ours(error.to_string()))?,
    };
    before.pop();
    drop_all(context, &before).await?;
    let store = context.engine.store.engine();
    store.put_sealed(context.claim, &row).await?;
    info!(cluster.id = %cluster, "the cluster's autoscaler gets a certificate");
    Ok(row)
}

/// A certificate by an authority that is forgotten at once.
fn make(cluster: ClusterId, now: Millis) -> Result<Issued, jeroboam_pki::Error> {
    let validity = Validity::days(now.0 / 1_000, LIFE_DAYS);
    let authority = Authority::generate("Jeroboam autoscalers", Purpose::Node, RsaBits::Rsa2048, validity)?;
    authority.issue(&LeafRequest {
        common_name: format!("{COMMON_NAME}{cluster}"),
        organizations: Vec::new(),
        dns: Vec::new(),
        ips: Vec::new(),
        server: false,
        client: true,
        validity,
    })
}

/// Certificates of a cluster, the newest last.
async fn rows(engine: &Engine, cluster: ClusterId) -> Result<Vec<Sealed>, StepError> {
    let mut rows = engine.store.engine().list_sealed(cluster).await?;
    rows.retain(|row| row.name.starts_with(ROWS));
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(rows)
}

fn is_due(row: &Sealed, context: &Context<'_>) -> bool {
    let is_of_now = row.name.starts_with(&format!("{ROWS}{:06}/", context.credential));
    !is_of_now || is_old(row, context.engine)
}

fn is_old(row: &Sealed, engine: &Engine) -> bool {
    let (now, issued) = (engine.clock.now(), issued(row));
    let is_due_after = |age: Duration| issued.is_none_or(|issued| now >= issued.plus(age));
    let is_elsewhere = engine
        .options
        .bootstrap
        .as_ref()
        .is_some_and(|endpoint| Given::of(row).is_none_or(|given| !given.leads_to(endpoint)));
    is_due_after(RENEWED_AFTER) || is_elsewhere && is_due_after(MOVED_AFTER)
}

/// When a certificate was issued.
fn issued(row: &Sealed) -> Option<Millis> {
    row.name.rsplit('/').next()?.parse().ok().map(Millis)
}

/// gRPC wants a port.
fn with_port(address: &str) -> String {
    let after_host = address.rsplit(']').next().unwrap_or(address);
    match after_host.contains(':') {
        true => address.to_owned(),
        false => format!("{address}:443"),
    }
}

impl Engine {
    /// The cluster whose autoscaler shows a certificate (DER); `None` when it is none, or not any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn autoscaled_cluster(&self, certificate: &[u8]) -> Result<Option<ClusterId>, BootstrapError> {
        let named = common_name(certificate);
        let named = named.as_deref().and_then(|name| name.strip_prefix(COMMON_NAME));
        let Some(cluster) = named.and_then(|text| text.parse().ok()).map(ClusterId) else {
            return Ok(None);
        };
        let rows = match rows(self, cluster).await {
            Ok(rows) => rows,
            Err(StepError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(BootstrapError::Made(error.to_string())),
        };
        let now = self.clock.now();
        let is_good = |row: &Sealed| {
            let Some(Given { certificate: pem, .. }) = Given::of(row) else {
                return false;
            };
            let is_same = certificate_der(pem).is_ok_and(|known| known == certificate);
            is_same && jeroboam_pki::not_after(pem).is_ok_and(|end| now.0 / 1_000 < end)
        };
        if !rows.iter().any(is_good) {
            return Ok(None);
        }
        // A deletion that is asked for is enough.
        let work = self.store.engine().look_at(cluster).await?;
        Ok(work
            .filter(|work| work.goal != GoalKind::Absent)
            .map(|work| work.cluster.uuid))
    }

    /// A flavor as the cluster's identity sees it; `None` when there is none, or the cluster has no identity.
    ///
    /// # Errors
    /// When the cloud does not answer; for the operator.
    pub async fn flavor_for(&self, cluster: ClusterId, id: &str) -> Result<Option<Flavor>, BootstrapError> {
        let work = self.store.engine().look_at(cluster).await?;
        let Some(work) = work else { return Ok(None) };
        let found = async {
            let session = match self.cached_session(cluster) {
                Some(session) => session,
                None => identity::session_of(self, &work.cluster, &work.ledger).await?,
            };
            Ok::<_, StepError>(find_flavors(&session, [id]).await?)
        };
        let mut found = found
            .await
            .map_err(|error| BootstrapError::Made(error.to_string()))?;
        Ok(match found.remove(id) {
            Some(Find::One(flavor)) => Some(flavor),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_always_has_a_port() {
        for (given, address) in [
            ("192.0.2.1:9513", "192.0.2.1:9513"),
            ("nodes.example", "nodes.example:443"),
            ("[2001:db8::1]", "[2001:db8::1]:443"),
            ("[2001:db8::1]:9513", "[2001:db8::1]:9513"),
        ] {
            assert_eq!(with_port(given), address);
        }
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_nothing_that_opens_anything() {
        let cluster = ClusterId(uuid::Uuid::new_v4());
        let made = make(cluster, Millis(1_700_000_000_000)).unwrap();
        let der = certificate_der(&made.certificate_pem).unwrap();
        assert_eq!(common_name(&der).unwrap(), format!("autoscaler:{cluster}"));
        let end = jeroboam_pki::not_after(&made.certificate_pem).unwrap();
        assert_eq!(end, 1_700_000_000 + 365 * 86_400);
    }

    #[test]
    fn what_was_given_is_read_as_it_was_written_and_the_newest_comes_last() {
        let row = |name: &str, public_part: Option<&str>| Sealed {
            name: name.into(),
            public_part: public_part.map(str::to_owned),
            sealed: String::new(),
        };
        let certificate = format!("-----BEGIN CERTIFICATE-----\nA\n{END}");
        let kept = format!("192.0.2.1:9513\n{certificate}\n{certificate}\n{certificate}\n");
        let kept = row("autoscaler/000000/000000086400000", Some(&kept));
        let given = Given::of(&kept).unwrap();
        let endpoint = |url: &str, authority: String| Endpoint {
            url: url.to_owned(),
            authority,
            token_life: Duration::ZERO,
        };
        let authority = format!("{certificate}\n{certificate}\n");
        assert_eq!(
            (given.certificate, given.address),
            (certificate.as_str(), "192.0.2.1:9513")
        );
        assert!(given.leads_to(&endpoint("https://192.0.2.1:9513", authority.clone())));
        assert!(!given.leads_to(&endpoint("https://192.0.2.2:9513", authority)));
        assert!(!given.leads_to(&endpoint("https://192.0.2.1:9513", certificate)));
        assert_eq!(issued(&kept), Some(Millis(86_400_000)));
        assert_eq!(issued(&row("autoscaler/000000/x", None)), None);
        assert!(Given::of(&row("", Some("192.0.2.1:9513"))).is_none());
        assert!("autoscaler/000001/000000000000000" > kept.name.as_str());
    }
}
