//! The certificate authorities of a cluster: made once, kept sealed in the database.

use std::net::IpAddr;

use jeroboam_driver::{Authority, CertificateRequest, Certificates, DriverError, KeyPair};
use jeroboam_pki::{Authority as Signer, LeafRequest, Purpose, RsaBits, Validity};
use jeroboam_store::Sealed;
use jeroboam_types::ClusterId;
use secrecy::ExposeSecret;

use crate::context::Context;
use crate::fault::StepError;

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
        let name = row(purpose);
        let key = authority.key_pem();
        let sealed = context
            .engine
            .keyring
            .seal(
                &place(context.cluster.uuid, &name),
                key.expose_secret().as_bytes(),
            )
            .map_err(ours)?;
        let public_part = Some(authority.certificate_pem.clone());
        store
            .put_sealed(
                context.claim,
                &Sealed {
                    name,
                    public_part,
                    sealed,
                },
            )
            .await?;
    }
    Ok(())
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
    validity: Validity,
}

impl Authorities {
    pub(crate) async fn load(context: &Context<'_>) -> Result<Self, StepError> {
        let validity = Validity::days(context.now().0 / 1_000, context.engine.options.certificate_days);
        Ok(Self {
            cluster: open(context, Purpose::Cluster).await?,
            node: open(context, Purpose::Node).await?,
            validity,
        })
    }

    fn signer(&self, authority: Authority) -> &Signer {
        match authority {
            Authority::Cluster => &self.cluster,
            Authority::Node => &self.node,
        }
    }
}

async fn open(context: &Context<'_>, purpose: Purpose) -> Result<Signer, StepError> {
    let name = row(purpose);
    let cluster = context.cluster.uuid;
    let sealed = context.engine.store.engine().find_sealed(cluster, &name).await?;
    let sealed = sealed.ok_or_else(|| ours(format!("the {} authority is missing", purpose.as_str())))?;
    let key = context
        .engine
        .keyring
        .open_text(&place(cluster, &name), &sealed.sealed)
        .map_err(ours)?;
    Signer::from_pem(sealed.public_part.as_deref().unwrap_or_default(), &key).map_err(ours)
}

impl Certificates for Authorities {
    fn authority(&self, authority: Authority) -> Result<String, DriverError> {
        Ok(self.signer(authority).certificate_pem.clone())
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
            validity: self.validity,
        };
        let issued = self
            .signer(authority)
            .issue(&leaf)
            .map_err(|error| DriverError::Certificate(error.to_string()))?;
        Ok(KeyPair {
            certificate: issued.certificate_pem,
            key: issued.key_pem,
        })
    }
}
