//! The typed configuration and how it is put together.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use secrecy::SecretString;

use crate::option::{Section, SectionSpec};
use crate::sections::{
    AddOns, Api, Bootstrap, Certificates, Cinder, Cluster, ClusterTemplate, Cors, Database, Drivers, Engine,
    General, Healthcheck, KeystoneAuth, KeystoneAuthtoken, Kubernetes, Metrics, OsloMiddleware, OsloPolicy,
    Quotas, ServiceClient, Trust, X509,
};
use crate::source::Source;
use crate::{AuthType, CertManager, ConfigError, sample};

macro_rules! config {
    ($($name:literal $field:ident: $section:ty;)+) => {
        /// Every section, in the order of the reference configuration.
        pub(crate) const SECTIONS: &[SectionSpec] = &[$(SectionSpec::of::<$section>($name)),+];

        /// The configuration of the service. Secrets are hidden in its `Debug` output.
        #[derive(Debug, Clone)]
        pub struct Config {
            $(#[doc = concat!("`[", $name, "]`.")] pub $field: $section,)+
            /// What is odd but not wrong, one sentence each, with file and line: unknown options and sections, and
            /// values that are not supported.
            pub warnings: Vec<String>,
            /// Where files with relative names are looked for: beside the configuration files.
            pub directories: Vec<PathBuf>,
        }

        impl Config {
            fn read(source: &Source) -> Result<Self, ConfigError> {
                Ok(Self { $($field: <$section as Section>::read($name, source)?,)+ warnings: Vec::new(), directories: Vec::new() })
            }
        }
    };
}

config! {
    "DEFAULT" default: General;
    "api" api: Api;
    "oslo_middleware" oslo_middleware: OsloMiddleware;
    "oslo_policy" oslo_policy: OsloPolicy;
    "healthcheck" healthcheck: Healthcheck;
    "cors" cors: Cors;
    "metrics" metrics: Metrics;
    "bootstrap" bootstrap: Bootstrap;
    "database" database: Database;
    "keystone_authtoken" keystone_authtoken: KeystoneAuthtoken;
    "keystone_auth" keystone_auth: KeystoneAuth;
    "trust" trust: Trust;
    "certificates" certificates: Certificates;
    "x509" x509: X509;
    "cluster" cluster: Cluster;
    "cluster_template" cluster_template: ClusterTemplate;
    "cinder" cinder: Cinder;
    "drivers" drivers: Drivers;
    "addons" addons: AddOns;
    "kubernetes" kubernetes: Kubernetes;
    "quotas" quotas: Quotas;
    "nova_client" nova_client: ServiceClient;
    "glance_client" glance_client: ServiceClient;
    "neutron_client" neutron_client: ServiceClient;
    "cinder_client" cinder_client: ServiceClient;
    "octavia_client" octavia_client: ServiceClient;
    "engine" engine: Engine;
}

/// How the service logs in: `[keystone_auth]`, completed by `[keystone_authtoken]`.
#[derive(Debug, Clone)]
pub struct ServiceCredentials {
    /// What it proves itself with.
    pub auth_type: AuthType,
    /// URLs of Keystone: `auth_url` of either section, else `www_authenticate_uri`. Each is as good as the others.
    pub auth_urls: Vec<String>,
    /// Name of the user.
    pub username: Option<String>,
    /// Id of the user.
    pub user_id: Option<String>,
    /// Password of the user.
    pub password: Option<SecretString>,
    /// Name of the user's domain.
    pub user_domain_name: Option<String>,
    /// Id of the user's domain.
    pub user_domain_id: Option<String>,
    /// Name of the project.
    pub project_name: Option<String>,
    /// Id of the project.
    pub project_id: Option<String>,
    /// Trust that is the scope instead of a project.
    pub trust_id: Option<String>,
    /// The scope is the whole deployment instead of a project.
    pub whole_system: bool,
    /// Name of the project's domain.
    pub project_domain_name: Option<String>,
    /// Id of the project's domain.
    pub project_domain_id: Option<String>,
    /// Id of the application credential.
    pub application_credential_id: Option<String>,
    /// Name of the application credential.
    pub application_credential_name: Option<String>,
    /// Secret of the application credential.
    pub application_credential_secret: Option<SecretString>,
    /// Token to exchange.
    pub token: Option<SecretString>,
    /// Certificate to show, as a PEM file.
    pub certfile: Option<PathBuf>,
    /// Key of that certificate, as a PEM file.
    pub keyfile: Option<PathBuf>,
    /// Authorities that certificates are checked against, as a PEM file.
    pub cafile: Option<PathBuf>,
    /// Certificates are not checked.
    pub insecure: bool,
    /// How long a request may take.
    pub timeout: Duration,
}

impl Config {
    /// Reads `files` in order, then the `*.conf` files of each of `dirs` in the order of their names, then the
    /// variables `OS_<SECTION>__<OPTION>` of `environment`; what comes later wins. See [`crate::environment`].
    ///
    /// # Errors
    /// A file or directory that is missing or cannot be read, a line that cannot be parsed, a value that does not
    /// fit its option. The first one found is reported.
    pub fn load(
        files: &[PathBuf],
        dirs: &[PathBuf],
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut source = Source::new(host_name());
        for file in files {
            add_file(&mut source, file)?;
        }
        for dir in dirs {
            for file in conf_files(dir).map_err(|error| unreadable(dir, error))? {
                add_file(&mut source, &file)?;
            }
        }
        source.add_environment(environment);
        let mut config = Self::finish(source)?;
        let parents = files
            .iter()
            .filter_map(|file| file.parent())
            .map(Path::to_path_buf);
        config.directories = parents.chain(dirs.iter().cloned()).collect();
        Ok(config)
    }

    /// The configuration that a file with this text gives, without any environment: for tests.
    pub fn from_ini(text: &str) -> Result<Self, ConfigError> {
        let mut source = Source::new(host_name());
        source.add_text(text, Path::new("text"))?;
        Self::finish(source)
    }

    /// A commented configuration file that names every option, its type and its default.
    pub fn sample() -> String {
        sample::sample()
    }

    /// How to log in as the service.
    pub fn service_credentials(&self) -> ServiceCredentials {
        let (own, fallback) = (&self.keystone_auth, &self.keystone_authtoken);
        let elsewhere = own.auth_section.as_deref() == Some("keystone_authtoken");
        let either = |first: &Option<String>, second: &Option<String>| {
            let first = first.clone().filter(|_| !elsewhere);
            first.or_else(|| second.clone())
        };
        let secret = |first: &Option<SecretString>, second: &Option<SecretString>| {
            let first = first.clone().filter(|_| !elsewhere);
            first.or_else(|| second.clone())
        };
        // What is known by name or id: one of a section must not be joined by the other one's.
        let pair = |own: [&Option<String>; 2], fallback: [&Option<String>; 2]| {
            let [name, id] = if !elsewhere && own.iter().any(|part| part.is_some()) {
                own
            } else {
                fallback
            };
            (name.clone(), id.clone())
        };
        let (default_name, default_id) = pair(
            [&own.default_domain_name, &own.default_domain_id],
            [&fallback.default_domain_name, &fallback.default_domain_id],
        );
        let or_default = |domain: (Option<String>, Option<String>)| match domain {
            (None, None) => (default_name.clone(), default_id.clone()),
            domain => domain,
        };
        let (user_domain_name, user_domain_id) = or_default(pair(
            [&own.user_domain_name, &own.user_domain_id],
            [&fallback.user_domain_name, &fallback.user_domain_id],
        ));
        let (project_domain_name, project_domain_id) = or_default(pair(
            [&own.project_domain_name, &own.project_domain_id],
            [&fallback.project_domain_name, &fallback.project_domain_id],
        ));
        let (username, user_id) = pair(
            [&own.username, &own.user_id],
            [&fallback.username, &fallback.user_id],
        );
        let (project_name, project_id) = pair(
            [&own.project_name, &own.project_id],
            [&fallback.project_name, &fallback.project_id],
        );
        let (application_credential_name, application_credential_id) = pair(
            [&own.application_credential_name, &own.application_credential_id],
            [
                &fallback.application_credential_name,
                &fallback.application_credential_id,
            ],
        );
        let auth_url = either(&own.auth_url, &fallback.auth_url)
            .or_else(|| fallback.www_authenticate_uri.clone())
            .unwrap_or_default();
        let auth_urls = auth_url.split(',').map(str::trim).filter(|url| !url.is_empty());
        let with_own_key = own.certfile.is_some();
        ServiceCredentials {
            auth_type: own
                .auth_type
                .filter(|_| !elsewhere)
                .or(fallback.auth_type)
                .unwrap_or(AuthType::Password),
            auth_urls: auth_urls.map(str::to_owned).collect(),
            username,
            user_id,
            password: secret(&own.password, &fallback.password),
            user_domain_name,
            user_domain_id,
            project_name,
            project_id,
            trust_id: either(&own.trust_id, &fallback.trust_id),
            whole_system: either(&own.system_scope, &fallback.system_scope).as_deref() == Some("all"),
            project_domain_name,
            project_domain_id,
            application_credential_id,
            application_credential_name,
            application_credential_secret: secret(
                &own.application_credential_secret,
                &fallback.application_credential_secret,
            ),
            token: secret(&own.token, &fallback.token),
            certfile: own.certfile.clone().or_else(|| fallback.certfile.clone()),
            keyfile: match with_own_key {
                true => own.keyfile.clone(),
                false => fallback.keyfile.clone(),
            },
            cafile: own.cafile.clone().or_else(|| fallback.cafile.clone()),
            insecure: own.insecure.unwrap_or(fallback.insecure),
            timeout: own.timeout,
        }
    }

    fn finish(mut source: Source) -> Result<Self, ConfigError> {
        let mut config = Self::read(&source)?;
        if config.certificates.cert_manager_type != CertManager::X509KeyPair {
            let chosen = config.certificates.cert_manager_type.as_str();
            let origin = source.origin("certificates", "cert_manager_type").to_owned();
            source.warn(format!(
                "{origin}: [certificates] cert_manager_type = {chosen} is not supported: certificates are kept in \
                 the service's own database, sealed with the master key"
            ));
        }
        if config.api.enabled_ssl && (config.api.ssl_cert_file.is_none() || config.api.ssl_key_file.is_none())
        {
            return Err(ConfigError::Missing {
                origin: source.origin("api", "enabled_ssl").to_owned(),
                what: "[api] enabled_ssl needs ssl_cert_file and ssl_key_file",
            });
        }
        if config.keystone_authtoken.delay_auth_decision {
            let origin = source
                .origin("keystone_authtoken", "delay_auth_decision")
                .to_owned();
            source.warn(format!(
                "{origin}: [keystone_authtoken] delay_auth_decision is not supported: requests without a valid token \
                 are refused here"
            ));
        }
        if !config.keystone_authtoken.memcached_servers.is_empty() {
            let origin = source
                .origin("keystone_authtoken", "memcached_servers")
                .to_owned();
            source.warn(format!(
                "{origin}: [keystone_authtoken] memcached_servers has no effect: each process remembers validated \
                 tokens in its own memory"
            ));
        }
        if let Some(other) = config
            .keystone_auth
            .auth_section
            .as_deref()
            .filter(|name| *name != "keystone_authtoken")
        {
            let origin = source.origin("keystone_auth", "auth_section").to_owned();
            source.warn(format!(
                "{origin}: [keystone_auth] auth_section = {other} is not supported: the login is taken from \
                 [keystone_auth] and [keystone_authtoken]"
            ));
        }
        if config.drivers.trust_server_active {
            let origin = source.origin("drivers", "trust_server_active").to_owned();
            if !config.drivers.laboratory {
                return Err(ConfigError::LaboratoryOnly { origin });
            }
            source.warn(format!(
                "{origin}: [drivers] trust_server_active: THIS IS A LABORATORY. Clusters are called complete as soon \
                 as their servers are ACTIVE, whether or not anything runs on them"
            ));
        }
        config.warnings = source.into_warnings();
        Ok(config)
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn add_file(source: &mut Source, path: &Path) -> Result<(), ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
    source.add_text(&text, path)
}

fn unreadable(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn conf_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "conf") && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
