//! Reading the configuration, and turning it into the options of the parts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jeroboam_config::{Config, IdentityMode};
use jeroboam_engine::{Budgets, Options, TrusteeDomain};

use secrecy::ExposeSecret;

use crate::cli::Configuration;
use crate::output;

/// Files that are read when none is named: the first that exists.
const DEFAULT_FILES: [&str; 2] = ["/etc/jeroboam/jeroboam.conf", "/etc/magnum/magnum.conf"];

/// Reads the configuration.
pub fn load(arguments: &Configuration) -> anyhow::Result<Config> {
    let default = || DEFAULT_FILES.iter().map(PathBuf::from).find(|file| file.exists());
    let files = match (arguments.config_file.is_empty(), arguments.config_dir.is_empty()) {
        (true, true) => default().into_iter().collect(),
        _ => arguments.config_file.clone(),
    };
    Ok(Config::load(
        &files,
        &arguments.config_dir,
        jeroboam_config::environment(),
    )?)
}

/// Reports what is wrong or unknown.
pub fn check(arguments: &Configuration) -> anyhow::Result<()> {
    let config = load(arguments)?;
    for warning in &config.warnings {
        output::line(warning)?;
    }
    cloud(&config)?;
    service_user(&config)?;
    trustee_admin(&config)?;
    jeroboam_store::Store::check_url(config.database.connection.expose_secret())?;
    engine(&config)?.validate()?;
    output::line("the configuration is usable")
}

/// Options of the client of the cloud.
pub fn cloud(config: &Config) -> anyhow::Result<jeroboam_cloud::Options> {
    let credentials = config.service_credentials();
    let auth_url = credentials
        .auth_url
        .context("auth_url is set neither in [keystone_auth] nor in [keystone_authtoken]")?;
    let mut options = jeroboam_cloud::Options::new(auth_url);
    options.region = config
        .nova_client
        .region_name
        .clone()
        .or_else(|| config.keystone_authtoken.region_name.clone());
    options.interface = config.nova_client.endpoint_type.as_str().parse()?;
    options.ca_file = credentials.cafile;
    options.insecure = credentials.insecure;
    options.call_timeout = Duration::from_secs(config.engine.call_timeout_secs).min(credentials.timeout);
    Ok(options)
}

/// Credentials of the service's own user.
pub fn service_user(config: &Config) -> anyhow::Result<jeroboam_cloud::Credentials> {
    use jeroboam_cloud::{Credentials, Scope, UserName};
    let own = config.service_credentials();
    let name = own
        .username
        .context("username is set neither in [keystone_auth] nor in [keystone_authtoken]")?;
    let password = own
        .password
        .context("password is set neither in [keystone_auth] nor in [keystone_authtoken]")?;
    let project = own
        .project_name
        .context("project_name is set neither in [keystone_auth] nor in [keystone_authtoken]")?;
    Ok(Credentials::Password {
        user: UserName::Name {
            name,
            domain: domain(own.user_domain_id, own.user_domain_name),
        },
        password,
        scope: Scope::ProjectName {
            name: project,
            domain: domain(own.project_domain_id, own.project_domain_name),
        },
    })
}

/// Credentials of the trustee domain's administrator.
pub fn trustee_admin(config: &Config) -> anyhow::Result<jeroboam_cloud::Credentials> {
    use jeroboam_cloud::{Credentials, Scope, UserName};
    let trust = &config.trust;
    let trustee_domain = domain(trust.trustee_domain_id.clone(), trust.trustee_domain_name.clone());
    let user = match (&trust.trustee_domain_admin_id, &trust.trustee_domain_admin_name) {
        (Some(id), _) => UserName::Id(id.clone()),
        (None, Some(name)) => {
            let (id, domain_name) = (
                trust.trustee_domain_admin_domain_id.clone(),
                trust.trustee_domain_admin_domain_name.clone(),
            );
            let own = id.is_some() || domain_name.is_some();
            let domain = if own {
                domain(id, domain_name)
            } else {
                trustee_domain.clone()
            };
            UserName::Name {
                name: name.clone(),
                domain,
            }
        }
        (None, None) => bail!("[trust] neither trustee_domain_admin_id nor trustee_domain_admin_name is set"),
    };
    let password = trust.trustee_domain_admin_password.clone();
    let password = password.context("[trust] trustee_domain_admin_password is not set")?;
    Ok(Credentials::Password {
        user,
        password,
        scope: Scope::Domain(trustee_domain),
    })
}

/// Domain of the engine's identities.
fn trustee_domain(config: &Config) -> anyhow::Result<TrusteeDomain> {
    match (&config.trust.trustee_domain_id, &config.trust.trustee_domain_name) {
        (Some(id), _) => Ok(TrusteeDomain::Id(id.clone())),
        (None, Some(name)) => Ok(TrusteeDomain::Name(name.clone())),
        (None, None) => bail!("[trust] neither trustee_domain_id nor trustee_domain_name is set"),
    }
}

/// Options of the engine.
pub fn engine(config: &Config) -> anyhow::Result<Options> {
    let section = &config.engine;
    let secs = Duration::from_secs;
    let identity = match config.trust.identity {
        IdentityMode::Grant => jeroboam_engine::IdentityMode::Grant,
        IdentityMode::Trust => jeroboam_engine::IdentityMode::Trust,
    };
    let mut roles = config.trust.roles.clone();
    if roles.is_empty() && config.trust.identity == IdentityMode::Grant {
        roles.push("member".to_owned());
    }
    Ok(Options {
        owner: config.default.host.clone(),
        workers: section.workers as usize,
        steps_per_cluster: section.steps_per_cluster as usize,
        lease: secs(section.lease_secs),
        poll_interval: Duration::from_millis(section.poll_interval_ms),
        call_timeout: secs(section.call_timeout_secs),
        retry_limit: section.retry_limit,
        settle_time: secs(section.settle_secs),
        budgets: Budgets {
            server: secs(section.budget_server_secs),
            load_balancer: secs(section.budget_load_balancer_secs),
            volume: secs(section.budget_volume_secs),
            coe: secs(section.budget_coe_secs),
            other: secs(section.budget_other_secs),
        },
        identity,
        trustee_domain: trustee_domain(config)?,
        roles,
        trust_server_active: config.drivers.trust_server_active,
        certificate_days: config.x509.term_of_validity,
        rsa_bits: config.x509.rsa_key_size,
    })
}

/// A domain by id, else by name, else Keystone's default domain.
fn domain(id: Option<String>, name: Option<String>) -> jeroboam_cloud::DomainName {
    match (id, name) {
        (Some(id), _) => jeroboam_cloud::DomainName::Id(id),
        (None, Some(name)) => jeroboam_cloud::DomainName::Name(name),
        (None, None) => jeroboam_cloud::DomainName::Id("default".to_owned()),
    }
}

/// Makes a directory that only this user may enter, unless it is there.
pub fn private_directory(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make directory {}", path.display()))
}
