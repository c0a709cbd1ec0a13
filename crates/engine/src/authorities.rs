//! The certificate authorities of a cluster: made once, kept sealed in the database.

use std::net::IpAddr;

use jeroboam_driver::{Authority, CertificateRequest, Certificates, DriverError, KeyPair, TokenKeys};
use jeroboam_pki::{Authority as Signer, LeafRequest, Purpose, RsaBits, RsaPair, Validity};
use jeroboam_store::Sealed;
use jeroboam_types::{ClusterId, Coe};
use secrecy::{ExposeSecret, SecretString};

use crate::context::Context;
use crate::fault::StepError;
use crate::worker::Engine;

/// Name of the sealed row of the keys for the tokens of service accounts.
const TOKEN_KEYS: &str = "service-account";

/// Name of the sealed row of an authority.
fn row(purpose: Purpose) -> String {
    format!("authority/{}", purpose.as_str())
}

/// Binds a sealed value to its place, so that it cannot be moved to another row.
pub(crate) fn place(cluster: ClusterId, name: &str) -> String {
    format!("sealed/{cluster}/{name}")
}

/// Makes the authorities that are missing.
pub(crate) async fn ensure(context: &Context<'_>) -> Result<(), StepError> {
    let store = context.engine.store.engine();
    let mut making = Vec::new();
    for purpose in Purpose::ALL {
        if store
            .find_sealed(context.cluster.uuid, &row(purpose))
            .await?
            .is_none()
        {
            making.push((purpose, tokio::task::spawn_blocking(generator(context, purpose)?)));
        }
    }
    for (purpose, task) in making {
        let authority = task
            .await
            .map_err(|_| ours("the key generator died"))?
            .map_err(ours)?;
        let certificate = authority.certificate_pem.clone();
        put(context, row(purpose), certificate, &authority.key_pem()).await?;
    }
    ensure_token_keys(context).await
}

/// Makes the keys for the tokens of service accounts, if the COE has these and the keys are missing.
async fn ensure_token_keys(context: &Context<'_>) -> Result<(), StepError> {
    let cluster = context.cluster.uuid;
    let store = context.engine.store.engine();
    if context.ask()?.template.coe != Coe::Kubernetes
        || store.find_sealed(cluster, TOKEN_KEYS).await?.is_some()
    {
        return Ok(());
    }
    let bits = RsaBits::try_from(context.engine.options.rsa_bits).map_err(ours)?;
    let task = tokio::task::spawn_blocking(move || RsaPair::generate(bits));
    let pair = task
        .await
        .map_err(|_| ours("the key generator died"))?
        .map_err(ours)?;
    put(context, TOKEN_KEYS.to_owned(), pair.public_pem, &pair.key_pem).await
}

async fn put(
    context: &Context<'_>,
    name: String,
    public: String,
    key: &SecretString,
) -> Result<(), StepError> {
    let place = place(context.cluster.uuid, &name);
    let sealed = context
        .engine
        .keyring
        .seal(&place, key.expose_secret().as_bytes())
        .map_err(ours)?;
    let row = Sealed {
        name,
        public_part: Some(public),
        sealed,
    };
    Ok(context
        .engine
        .store
        .engine()
        .put_sealed(context.claim, &row)
        .await?)
}

type Generator = Box<dyn FnOnce() -> Result<Signer, jeroboam_pki::Error> + Send>;

fn generator(context: &Context<'_>, purpose: Purpose) -> Result<Generator, StepError> {
    let bits = RsaBits::try_from(context.engine.options.rsa_bits).map_err(ours)?;
    let validity = Validity::days(context.now().0 / 1_000, context.engine.options.certificate_days);
    // A common name has 64 characters at most (RFC 5280, ub-common-name). Names are ASCII.
    let name: String = context.cluster.name.as_str().chars().take(64).collect();
    Ok(Box::new(move || Signer::generate(&name, purpose, bits, validity)))
}

fn ours(error: impl std::fmt::Display) -> StepError {
    StepError::Ours(error.to_string())
}

/// Opened authorities, as drivers use them.
pub(crate) struct Authorities {
    cluster: Signer,
    node: Signer,
    etcd: Signer,
    front_proxy: Signer,
    token_keys: Option<TokenKeys>,
    validity: Validity,
    now_secs: i64,
}

impl Authorities {
    pub(crate) async fn load(engine: &Engine, cluster: ClusterId) -> Result<Self, StepError> {
        let now_secs = engine.clock.now().0 / 1_000;
        let validity = Validity::days(now_secs, engine.options.certificate_days);
        let open = async |purpose| open(engine, cluster, purpose).await;
        Ok(Self {
            cluster: open(Purpose::Cluster).await?,
            node: open(Purpose::Node).await?,
            etcd: open(Purpose::Etcd).await?,
            front_proxy: open(Purpose::FrontProxy).await?,
            token_keys: find(engine, cluster, TOKEN_KEYS)
                .await?
                .map(|(public, private)| TokenKeys { public, private }),
            validity,
            now_secs,
        })
    }

    /// A certificate for the engine's own looks at the COE, with administrator's rights.
    pub(crate) fn client(&self) -> Result<KeyPair, DriverError> {
        let request = CertificateRequest {
            common_name: "admin".to_owned(),
            organizations: vec!["system:masters".to_owned()],
            addresses: Vec::new(),
            names: Vec::new(),
            server: false,
            client: true,
            days: None,
        };
        self.issue(Authority::Cluster, &request)
    }

    fn opened(&self, authority: Authority) -> &Signer {
        match authority {
            Authority::Cluster => &self.cluster,
            Authority::Node => &self.node,
            Authority::Etcd => &self.etcd,
            Authority::FrontProxy => &self.front_proxy,
        }
    }
}

/// Public part and opened key of a sealed row.
async fn find(
    engine: &Engine,
    cluster: ClusterId,
    name: &str,
) -> Result<Option<(String, SecretString)>, StepError> {
    let Some(row) = engine.store.engine().find_sealed(cluster, name).await? else {
        return Ok(None);
    };
    let key = engine
        .keyring
        .open_text(&place(cluster, name), &row.sealed)
        .map_err(ours)?;
    Ok(Some((row.public_part.unwrap_or_default(), key)))
}

async fn open(engine: &Engine, cluster: ClusterId, purpose: Purpose) -> Result<Signer, StepError> {
    let found = find(engine, cluster, &row(purpose)).await?;
    let missing = || ours(format!("the {} authority is missing", purpose.as_str()));
    let (certificate, key) = found.ok_or_else(missing)?;
    Signer::from_pem(&certificate, &key).map_err(ours)
}

impl Certificates for Authorities {
    fn authority(&self, authority: Authority) -> Result<String, DriverError> {
        Ok(self.opened(authority).certificate_pem.clone())
    }

    fn issue(&self, authority: Authority, request: &CertificateRequest) -> Result<KeyPair, DriverError> {
        let ips: Result<Vec<IpAddr>, _> = request.addresses.iter().map(|address| address.parse()).collect();
        let leaf = LeafRequest {
            common_name: request.common_name.clone(),
            organizations: request.organizations.clone(),
            dns: request.names.clone(),
            ips: ips.map_err(|error| DriverError::Certificate(error.to_string()))?,
            server: request.server,
            client: request.client,
            validity: request
                .days
                .map_or(self.validity, |days| Validity::days(self.now_secs, days)),
        };
        let issued = self
            .opened(authority)
            .issue(&leaf)
            .map_err(|error| DriverError::Certificate(error.to_string()))?;
        Ok(KeyPair {
            certificate: issued.certificate_pem,
            key: issued.key_pem,
        })
    }

    fn signer(&self, authority: Authority) -> Result<KeyPair, DriverError> {
        let signer = self.opened(authority);
        Ok(KeyPair {
            certificate: signer.certificate_pem.clone(),
            key: signer.key_pem(),
        })
    }

    fn token_keys(&self) -> Result<TokenKeys, DriverError> {
        let missing = || DriverError::Certificate("the cluster has no keys for service accounts".to_owned());
        self.token_keys.clone().ok_or_else(missing)
    }
}
