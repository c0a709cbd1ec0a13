//! The certificate authorities of a cluster: each generation made once, kept sealed in the database, and destroyed
//! when nothing of the cluster needs it any more.

use std::net::IpAddr;

use jeroboam_driver::{Authority, CertificateRequest, Certificates, DriverError, Key, KeyPair, TokenKeys};
use jeroboam_pki::{Authority as Signer, LeafRequest, Purpose, RsaBits, RsaPair, Validity};
use jeroboam_store::Sealed;
use jeroboam_types::{ClusterId, Coe, TrustStage};
use secrecy::{ExposeSecret, SecretString};

use crate::context::{Context, certificates_key};
use crate::fault::StepError;
use crate::worker::Engine;

/// Binds a sealed value to its place, so that it cannot be moved to another row.
pub(crate) fn place(cluster: ClusterId, name: &str) -> String {
    format!("sealed/{cluster}/{name}")
}

/// The generation of authorities whose entry in the ledger has the key.
pub(crate) fn generation_of(key: &Key) -> Option<u32> {
    match *key == certificates_key(0) {
        true => Some(0),
        false => key
            .name()
            .parse()
            .ok()
            .filter(|later| certificates_key(*later) == *key),
    }
}

fn generation(key: &Key) -> Result<u32, StepError> {
    generation_of(key).ok_or_else(|| ours(format!("{key} is no generation of authorities")))
}

/// Makes the authorities of a generation that are missing.
pub(crate) async fn ensure(context: &Context<'_>, key: &Key) -> Result<(), StepError> {
    let generation = generation(key)?;
    let store = context.engine.store.engine();
    let mut making = Vec::new();
    for purpose in Purpose::ALL {
        let name = purpose.sealed_name(generation);
        if store.find_sealed(context.cluster.uuid, &name).await?.is_none() {
            making.push((name, tokio::task::spawn_blocking(generator(context, purpose)?)));
        }
    }
    for (name, task) in making {
        let authority = task
            .await
            .map_err(|_| ours("the key generator died"))?
            .map_err(ours)?;
        let certificate = authority.certificate_pem.clone();
        put(context, name, certificate, &authority.key_pem()).await?;
    }
    ensure_token_keys(context, generation).await
}

/// Makes the keys for the tokens of service accounts, if the COE has these and the keys are missing.
async fn ensure_token_keys(context: &Context<'_>, generation: u32) -> Result<(), StepError> {
    let cluster = context.cluster.uuid;
    let store = context.engine.store.engine();
    let name = RsaPair::sealed_name(generation);
    if context.ask()?.template.coe != Coe::Kubernetes || store.find_sealed(cluster, &name).await?.is_some() {
        return Ok(());
    }
    let bits = RsaBits::try_from(context.engine.options.rsa_bits).map_err(ours)?;
    let task = tokio::task::spawn_blocking(move || RsaPair::generate(bits));
    let pair = task
        .await
        .map_err(|_| ours("the key generator died"))?
        .map_err(ours)?;
    put(context, name, pair.public_pem, &pair.key_pem).await
}

/// Destroys the keys and certificates of a generation. All that a cluster has goes with its row.
pub(crate) async fn destroy(context: &Context<'_>, key: &Key) -> Result<(), StepError> {
    if context.is_deletion {
        return Ok(());
    }
    let generation = generation(key)?;
    let names = Purpose::ALL.map(|purpose| purpose.sealed_name(generation));
    let store = context.engine.store.engine();
    for name in names.into_iter().chain([RsaPair::sealed_name(generation)]) {
        store.drop_sealed(context.claim, &name).await?;
    }
    Ok(())
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

/// The authorities of a stage, as drivers use them: all that are trusted, and opened those that sign.
pub(crate) struct Authorities {
    cluster: Trusted,
    node: Trusted,
    etcd: Trusted,
    front_proxy: Trusted,
    token_keys: Option<TokenKeys>,
    validity: Validity,
    now_secs: i64,
}

/// What signs for a purpose, and what else is trusted for it.
struct Trusted {
    signer: Signer,
    /// Certificates in PEM: that of the signer comes first.
    bundle: String,
}

impl Authorities {
    pub(crate) async fn load(
        engine: &Engine,
        cluster: ClusterId,
        stage: TrustStage,
    ) -> Result<Self, StepError> {
        let now_secs = engine.clock.now().0 / 1_000;
        let validity = Validity::days(now_secs, engine.options.certificate_days);
        let open = async |purpose| trusted(engine, cluster, purpose, stage).await;
        Ok(Self {
            cluster: open(Purpose::Cluster).await?,
            node: open(Purpose::Node).await?,
            etcd: open(Purpose::Etcd).await?,
            front_proxy: open(Purpose::FrontProxy).await?,
            token_keys: token_keys(engine, cluster, stage).await?,
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

    fn of(&self, authority: Authority) -> &Trusted {
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

/// Public parts of a stage's generations, without the one that signs.
async fn others(
    engine: &Engine,
    cluster: ClusterId,
    stage: TrustStage,
    name: impl Fn(u32) -> String,
) -> Result<Vec<String>, StepError> {
    let mut found = Vec::new();
    for generation in stage.trusted().filter(|other| *other != stage.signing()) {
        let name = name(generation);
        let row = engine.store.engine().find_sealed(cluster, &name).await?;
        let part = row.and_then(|row| row.public_part);
        found.push(part.ok_or_else(|| ours(format!("{name} is missing")))?);
    }
    Ok(found)
}

/// Certificates that a cluster's API and its clients may be known by in a stage, PEM. No key is opened for them.
pub(crate) async fn trusted_certificates(
    engine: &Engine,
    cluster: ClusterId,
    stage: TrustStage,
) -> Result<String, StepError> {
    let mut bundle = String::new();
    for generation in stage.trusted() {
        let name = Purpose::Cluster.sealed_name(generation);
        let row = engine.store.engine().find_sealed(cluster, &name).await?;
        let certificate = row.and_then(|row| row.public_part);
        bundle.push_str(&certificate.ok_or_else(|| ours(format!("{name} is missing")))?);
        bundle.push('\n');
    }
    Ok(bundle)
}

async fn trusted(
    engine: &Engine,
    cluster: ClusterId,
    purpose: Purpose,
    stage: TrustStage,
) -> Result<Trusted, StepError> {
    let found = find(engine, cluster, &purpose.sealed_name(stage.signing())).await?;
    let missing = || ours(format!("the {} authority is missing", purpose.as_str()));
    let (certificate, key) = found.ok_or_else(missing)?;
    let others = others(engine, cluster, stage, |generation| {
        purpose.sealed_name(generation)
    })
    .await?;
    let signer = Signer::from_pem(&certificate, &key).map_err(ours)?;
    let bundle = bundle(&signer.certificate_pem, &others);
    Ok(Trusted { signer, bundle })
}

async fn token_keys(
    engine: &Engine,
    cluster: ClusterId,
    stage: TrustStage,
) -> Result<Option<TokenKeys>, StepError> {
    let Some((public, private)) = find(engine, cluster, &RsaPair::sealed_name(stage.signing())).await? else {
        return Ok(None);
    };
    let others = others(engine, cluster, stage, RsaPair::sealed_name).await?;
    Ok(Some(TokenKeys {
        id: RsaPair::key_id(&public).map_err(ours)?,
        public: bundle(&public, &others),
        private,
    }))
}

/// PEM texts one after the other, without a newline at the end.
fn bundle(first: &str, others: &[String]) -> String {
    let all = std::iter::once(first).chain(others.iter().map(String::as_str));
    all.map(str::trim_end).collect::<Vec<_>>().join("\n")
}

impl Certificates for Authorities {
    fn authority(&self, authority: Authority) -> Result<String, DriverError> {
        Ok(self.of(authority).bundle.clone())
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
            .of(authority)
            .signer
            .issue(&leaf)
            .map_err(|error| DriverError::Certificate(error.to_string()))?;
        Ok(KeyPair {
            certificate: issued.certificate_pem,
            key: issued.key_pem,
        })
    }

    fn signer(&self, authority: Authority) -> Result<KeyPair, DriverError> {
        let signer = &self.of(authority).signer;
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
