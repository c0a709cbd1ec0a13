//! Reading the configuration, and turning it into the options of the parts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jeroboam_config::{Config, IdentityMode};
use jeroboam_engine::{Budgets, Options, TrusteeDomain, Watch};
use jeroboam_types::repair::Limits;
use secrecy::ExposeSecret;

use crate::cli::Configuration;
use crate::{addons, drivers, output};

/// Files that are read when none is named, with a directory of more beside each: the first of which one exists.
const DEFAULT_FILES: [&str; 2] = ["etc/jeroboam/jeroboam.conf", "etc/magnum/magnum.conf"];

/// Reads the configuration.
pub fn load(arguments: &Configuration) -> anyhow::Result<Config> {
    let (files, dirs) = match (arguments.config_file.is_empty(), arguments.config_dir.is_empty()) {
        (true, true) => defaults(Path::new("/")),
        _ => (arguments.config_file.clone(), arguments.config_dir.clone()),
    };
    Ok(Config::load(&files, &dirs, jeroboam_config::environment())?)
}

/// The file and the directory that are read when none is named. The directory is the file's name with `.d`, as
/// packages of Magnum have it.
fn defaults(root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    for name in DEFAULT_FILES {
        let (file, dir) = (root.join(name), root.join(format!("{name}.d")));
        if file.is_file() || dir.is_dir() {
            let (file, dir) = (file.is_file().then_some(file), dir.is_dir().then_some(dir));
            return (file.into_iter().collect(), dir.into_iter().collect());
        }
    }
    (Vec::new(), Vec::new())
}

/// Reports what is wrong or unknown.
pub fn check(arguments: &Configuration) -> anyhow::Result<()> {
    let config = load(arguments)?;
    for warning in &config.warnings {
        output::line(warning)?;
    }
    for warning in drivers::warnings(&drivers::all(&config)?, &config.drivers) {
        output::line(warning)?;
    }
    for warning in addons::warnings(&config)? {
        output::line(warning)?;
    }
    cloud(&config)?;
    service_user(&config)?;
    trustee_admin(&config)?;
    jeroboam_store::Store::check_url(config.database.connection.expose_secret())?;
    engine(&config)?.validate()?;
    jeroboam_api::check_policy(&config)?;
    crate::listen::tls(&config)?;
    output::line("the configuration is usable")
}

/// Options of the client of the cloud.
pub fn cloud(config: &Config) -> anyhow::Result<jeroboam_cloud::Options> {
    use jeroboam_cloud::{ClientCertificate, Place, Service, Trust};
    let credentials = config.service_credentials();
    let mut auth_urls = credentials.auth_urls.into_iter();
    let auth_url = auth_urls
        .next()
        .context("auth_url is set neither in [keystone_auth] nor in [keystone_authtoken]")?;
    let mut options = jeroboam_cloud::Options::new(auth_url);
    options.other_auth_urls = auth_urls.collect();
    options.region.clone_from(&config.keystone_authtoken.region_name);
    let place = |region: &Option<String>, interface: jeroboam_config::Interface| {
        Ok::<_, jeroboam_cloud::UnknownInterface>(Place {
            region: region.clone(),
            interface: interface.as_str().parse()?,
        })
    };
    let authtoken = &config.keystone_authtoken;
    let own = place(&authtoken.region_name, authtoken.interface)?;
    options.places.push((Service::Identity, own));
    let shown = |certificate: Option<PathBuf>, key: Option<PathBuf>| {
        certificate.map(|certificate| ClientCertificate { certificate, key })
    };
    options.trust = Trust {
        ca_file: credentials.cafile,
        insecure: credentials.insecure,
        client_certificate: shown(credentials.certfile, credentials.keyfile),
    };
    for (service, client) in [
        (Service::Compute, &config.nova_client),
        (Service::Image, &config.glance_client),
        (Service::Network, &config.neutron_client),
        (Service::BlockStorage, &config.cinder_client),
        (Service::LoadBalancer, &config.octavia_client),
    ] {
        let own = place(&client.region_name, client.endpoint_type)?;
        options.places.push((service, own));
        if client.ca_file.is_some() || client.insecure.is_some() || client.cert_file.is_some() {
            let general = &options.trust;
            let certificate = shown(client.cert_file.clone(), client.key_file.clone());
            let trust = Trust {
                ca_file: client.ca_file.clone().or_else(|| general.ca_file.clone()),
                // Who names authorities wants them to be asked.
                insecure: client
                    .insecure
                    .unwrap_or(general.insecure && client.ca_file.is_none()),
                client_certificate: certificate.or_else(|| general.client_certificate.clone()),
            };
            options.trusts.push((service, trust));
        }
    }
    options.call_timeout = Duration::from_secs(config.engine.call_timeout_secs).min(credentials.timeout);
    if let Some(secs) = authtoken.http_connect_timeout {
        options.connect_timeout = Duration::from_secs(secs);
    }
    Ok(options)
}

/// Credentials of the service's own user.
pub fn service_user(config: &Config) -> anyhow::Result<jeroboam_cloud::Credentials> {
    use jeroboam_cloud::{ApplicationCredentialName, Credentials, Scope, UserName};
    use jeroboam_config::AuthType;

    let own = config.service_credentials();
    let unset =
        |option: &str| format!("{option} is set neither in [keystone_auth] nor in [keystone_authtoken]");
    let user = match (own.user_id, own.username) {
        (Some(id), _) => Some(UserName::Id(id)),
        (None, Some(name)) => Some(UserName::Name {
            name,
            domain: domain(own.user_domain_id, own.user_domain_name),
        }),
        (None, None) => None,
    };
    let scope = match (own.trust_id, own.project_id, own.project_name) {
        _ if own.whole_system => Some(Scope::System),
        (Some(id), ..) => Some(Scope::Trust { id }),
        (None, Some(id), _) => Some(Scope::Project { id }),
        (None, None, Some(name)) => Some(Scope::ProjectName {
            name,
            domain: domain(own.project_domain_id, own.project_domain_name),
        }),
        (None, None, None) => None,
    };
    match own.auth_type {
        AuthType::Password => Ok(Credentials::Password {
            user: user.with_context(|| unset("username"))?,
            password: own.password.with_context(|| unset("password"))?,
            scope: scope.with_context(|| unset("project_name"))?,
        }),
        AuthType::ApplicationCredential => Ok(Credentials::ApplicationCredential {
            credential: match (own.application_credential_id, own.application_credential_name) {
                (Some(id), _) => ApplicationCredentialName::Id(id),
                (None, Some(name)) => ApplicationCredentialName::Name {
                    name,
                    user: user.with_context(|| unset("username"))?,
                },
                (None, None) => bail!(unset("application_credential_id")),
            },
            secret: own
                .application_credential_secret
                .with_context(|| unset("application_credential_secret"))?,
        }),
        AuthType::Token => Ok(Credentials::Exchange {
            token: own.token.with_context(|| unset("token"))?,
            scope: scope.with_context(|| unset("project_name"))?,
        }),
    }
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
        drain_limit: secs(section.drain_secs),
        update_limit: secs(section.update_timeout_mins.saturating_mul(60)),
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
        health: watch(config),
        diagnose_after: secs(section.diagnose_after_secs),
        // Known once its certificate is.
        bootstrap: None,
        rsa_bits: config.x509.rsa_key_size,
    })
}

/// How the health of clusters is looked at.
fn watch(config: &Config) -> Option<Watch> {
    let section = &config.engine;
    let interval = u64::try_from(config.kubernetes.health_polling_interval).ok()?;
    (interval > 0).then(|| Watch {
        interval: Duration::from_secs(interval),
        parallel: section.health_looks as usize,
        limit: Duration::from_secs(section.health_look_secs),
        repair: Limits {
            patience: Duration::from_secs(section.heal_after_secs),
            most: section.heal_limit,
            window: Duration::from_secs(section.heal_window_mins.saturating_mul(60)),
        },
        mend: (config.addons.mend_interval_mins > 0)
            .then(|| Duration::from_secs(config.addons.mend_interval_mins.saturating_mul(60))),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_the_certificates_of_all_but_for_what_is_said_of_it() {
        let text = "[keystone_auth]\nauth_url = http://k/v3\ncafile = /all\ninsecure = true\ncertfile = /own\n\
                    [octavia_client]\nca_file = /octavia\n[nova_client]\ninsecure = false\n\
                    [cinder_client]\ncert_file = /cinder\nkey_file = /cinder.key\n";
        let options = cloud(&Config::from_ini(text).unwrap()).unwrap();
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            (options.trust.ca_file, options.trust.insecure),
            (path("/all"), true)
        );
        let trusts = options.trusts.into_iter().map(|(service, trust)| {
            let shown = trust.client_certificate.map(|own| (own.certificate, own.key));
            (service, trust.ca_file, trust.insecure, shown)
        });
        use jeroboam_cloud::Service as S;
        let own = || Some((PathBuf::from("/own"), None));
        let cinder = Some((PathBuf::from("/cinder"), path("/cinder.key")));
        assert_eq!(
            trusts.collect::<Vec<_>>(),
            [
                (S::Compute, path("/all"), false, own()),
                (S::BlockStorage, path("/all"), true, cinder),
                (S::LoadBalancer, path("/octavia"), false, own()),
            ]
        );
    }

    #[test]
    fn the_first_place_with_a_file_or_a_directory_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        assert_eq!(defaults(root.path()), (vec![], vec![]));
        std::fs::create_dir_all(path("etc/magnum/magnum.conf.d")).unwrap();
        assert_eq!(
            defaults(root.path()),
            (vec![], vec![path("etc/magnum/magnum.conf.d")])
        );
        std::fs::write(path("etc/magnum/magnum.conf"), "").unwrap();
        assert_eq!(defaults(root.path()).0, [path("etc/magnum/magnum.conf")]);
        std::fs::create_dir_all(path("etc/jeroboam")).unwrap();
        std::fs::write(path("etc/jeroboam/jeroboam.conf"), "").unwrap();
        assert_eq!(
            defaults(root.path()),
            (vec![path("etc/jeroboam/jeroboam.conf")], vec![])
        );
    }
}
