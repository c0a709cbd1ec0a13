//! Options in the form that requests need, computed once.

use std::path::PathBuf;
use std::time::Duration;

use jeroboam_config::Config;
use jeroboam_pki::{CsrRules, ExtensionKind, KeyUse};

use crate::access_log::AccessLog;
use crate::cors::Cors;

/// Derived options.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Largest body of a request.
    pub(crate) max_body_bytes: usize,
    /// Where clients get tokens.
    pub(crate) keystone_uri: String,
    /// How long a validated token is remembered; zero for not at all.
    pub(crate) token_cache_for: Duration,
    /// How answers are logged.
    pub(crate) access_log: AccessLog,
    /// Pages of other origins that may use the API.
    pub(crate) cors: Option<Cors>,
    /// Files that make the API call itself unavailable, some at one port only.
    pub(crate) disabled_by: Vec<(Option<u16>, PathBuf)>,
    /// What signing requests may ask for.
    pub(crate) csr_rules: CsrRules,
}

impl Settings {
    pub(crate) fn new(config: &Config) -> Self {
        let authtoken = &config.keystone_authtoken;
        let uri = authtoken.www_authenticate_uri.clone();
        let x509 = &config.x509;
        let health = &config.healthcheck;
        let by_port = health.disable_by_file_paths.iter().filter_map(|entry| {
            let (port, path) = entry.split_once(':')?;
            Some((Some(port.trim().parse().ok()?), PathBuf::from(path.trim())))
        });
        Self {
            max_body_bytes: usize::try_from(config.oslo_middleware.max_request_body_size)
                .unwrap_or(usize::MAX),
            keystone_uri: uri
                .or_else(|| config.service_credentials().auth_urls.into_iter().next())
                .unwrap_or_default(),
            token_cache_for: Duration::from_secs(u64::try_from(authtoken.token_cache_time).unwrap_or(0)),
            access_log: AccessLog::new(config.api.access_log, config.api.access_log_format.as_deref()),
            cors: Cors::new(&config.cors),
            disabled_by: std::iter::once((None, health.disable_by_file_path.clone()))
                .chain(by_port)
                .collect(),
            csr_rules: CsrRules {
                allow_ca: x509.allow_ca,
                allowed_extensions: x509
                    .allowed_extensions
                    .iter()
                    .filter_map(|name| ExtensionKind::from_name(name))
                    .collect(),
                allowed_key_usage: x509
                    .allowed_key_usage
                    .iter()
                    .filter_map(|name| KeyUse::from_name(name))
                    .collect(),
            },
        }
    }
}
