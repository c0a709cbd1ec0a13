//! The typed configuration and how it is put together.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use secrecy::SecretString;

use crate::option::{Section, SectionSpec};
use crate::sections::{
    Api, Certificates, Cinder, Cluster, ClusterTemplate, Database, Drivers, Engine, General, Healthcheck,
    KeystoneAuth, KeystoneAuthtoken, OctaviaClient, OsloMiddleware, Quotas, ServiceClient, Trust, X509,
};
use crate::source::Source;
use crate::{CertManager, ConfigError, sample};

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
        }

        impl Config {
            fn read(source: &Source) -> Result<Self, ConfigError> {
                Ok(Self { $($field: <$section as Section>::read($name, source)?,)+ warnings: Vec::new() })
            }
        }
    };
}

config! {
    "DEFAULT" default: General;
    "api" api: Api;
    "oslo_middleware" oslo_middleware: OsloMiddleware;
    "healthcheck" healthcheck: Healthcheck;
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
    "quotas" quotas: Quotas;
    "nova_client" nova_client: ServiceClient;
    "glance_client" glance_client: ServiceClient;
    "neutron_client" neutron_client: ServiceClient;
    "cinder_client" cinder_client: ServiceClient;
    "octavia_client" octavia_client: OctaviaClient;
    "engine" engine: Engine;
}

/// How the service logs in: `[keystone_auth]`, completed by `[keystone_authtoken]`.
#[derive(Debug, Clone)]
pub struct ServiceCredentials {
    /// URL of Keystone: `auth_url` of either section, else `www_authenticate_uri`.
    pub auth_url: Option<String>,
    /// Name of the user.
    pub username: Option<String>,
    /// Password of the user.
    pub password: Option<SecretString>,
    /// Name of the user's domain.
    pub user_domain_name: Option<String>,
    /// Id of the user's domain.
    pub user_domain_id: Option<String>,
    /// Name of the project.
    pub project_name: Option<String>,
    /// Name of the project's domain.
    pub project_domain_name: Option<String>,
    /// Id of the project's domain.
    pub project_domain_id: Option<String>,
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
        Self::finish(source)
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
        let either =
            |first: &Option<String>, second: &Option<String>| first.clone().or_else(|| second.clone());
        // A domain is known by name or id: one of a section must not be joined by the other one's.
        let domain = |own: [&Option<String>; 2], fallback: [&Option<String>; 2]| {
            let [name, id] = if own.iter().any(|part| part.is_some()) {
                own
            } else {
                fallback
            };
            (name.clone(), id.clone())
        };
        let (user_domain_name, user_domain_id) = domain(
            [&own.user_domain_name, &own.user_domain_id],
            [&fallback.user_domain_name, &fallback.user_domain_id],
        );
        let (project_domain_name, project_domain_id) = domain(
            [&own.project_domain_name, &own.project_domain_id],
            [&fallback.project_domain_name, &fallback.project_domain_id],
        );
        ServiceCredentials {
            auth_url: either(&own.auth_url, &fallback.auth_url)
                .or_else(|| fallback.www_authenticate_uri.clone()),
            username: either(&own.username, &fallback.username),
            password: own.password.clone().or_else(|| fallback.password.clone()),
            user_domain_name,
            user_domain_id,
            project_name: either(&own.project_name, &fallback.project_name),
            project_domain_name,
            project_domain_id,
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
        if config.api.enabled_ssl {
            let origin = source.origin("api", "enabled_ssl").to_owned();
            source.warn(format!(
                "{origin}: [api] enabled_ssl is not supported: the API speaks plain HTTP, put a proxy in front of it"
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
