//! Options of Magnum and the libraries it uses that have no effect here. They are accepted in silence, so that
//! an existing `magnum.conf` raises warnings only for what is really unknown.

/// Sections without any effect.
const SECTIONS: &[&str] = &[
    "barbican_client",
    "bay",
    "bay_heat",
    "baymodel",
    "cluster_heat",
    "conductor",
    "docker",
    "docker_registry",
    "heat_client",
    "magnum_client",
    "oslo_concurrency",
    "oslo_messaging_amqp",
    "oslo_messaging_kafka",
    "oslo_messaging_metrics",
    "oslo_messaging_notifications",
    "oslo_messaging_rabbit",
    "oslo_middleware_tracing",
    "oslo_reports",
    "oslo_versionedobjects",
    "profiler",
];

/// Options without effect in sections of which others have one.
const OPTIONS: &[(&str, &[&str])] = &[
    (
        "DEFAULT",
        &[
            "backdoor_port",
            "backdoor_socket",
            "bindir",
            "client_socket_timeout",
            "control_exchange",
            "default_log_levels",
            "executor_thread_pool_size",
            "fatal_deprecations",
            "instance_format",
            "instance_uuid_format",
            "log_color",
            "log_config",
            "log_config_append",
            "log_date_format",
            "log_options",
            "log_rotate_interval",
            "log_rotate_interval_type",
            "log_rotation_type",
            "logging_context_format_string",
            "logging_debug_format_suffix",
            "logging_default_format_string",
            "logging_exception_prefix",
            "logging_user_identity_format",
            "max_header_line",
            "max_logfile_count",
            "max_logfile_size_mb",
            "max_manifest_size",
            "password_symbols",
            "periodic_enable",
            "publish_errors",
            "pybasedir",
            "rate_limit_burst",
            "rate_limit_except_level",
            "rate_limit_interval",
            "rootwrap_config",
            "rpc_ping_enabled",
            "rpc_response_timeout",
            "rpc_thread_pool_size",
            "run_external_periodic_tasks",
            "tcp_keepidle",
            "tempdir",
            "transport_url",
            "use_journal",
            "verbose",
            "wsgi_default_pool_size",
            "wsgi_keep_alive",
            "wsgi_log_format",
        ],
    ),
    ("api", &["api_paste_config"]),
    ("certificates", &["storage_path"]),
    ("cinder_client", CLIENT),
    (
        "cluster",
        &[
            "enabled_definitions",
            "etcd_discovery_service_endpoint_format",
            "temp_cache_dir",
        ],
    ),
    (
        "cluster_template",
        &["mesos_allowed_network_drivers", "mesos_default_network_driver"],
    ),
    (
        "database",
        &[
            "asyncio_connection",
            "asyncio_slave_connection",
            "backend",
            "connection_debug",
            "connection_parameters",
            "connection_recycle_time",
            "connection_trace",
            "db_inc_retry_interval",
            "db_max_retries",
            "db_max_retry_interval",
            "db_retry_interval",
            "idle_timeout",
            "max_overflow",
            "mysql_engine",
            "mysql_sql_mode",
            "mysql_wsrep_sync_wait",
            "pool_timeout",
            "slave_connection",
            "sqlite_synchronous",
            "synchronous_reader",
            "use_db_reconnect",
        ],
    ),
    ("drivers", &["send_cluster_metrics"]),
    ("glance_client", CLIENT),
    (
        "healthcheck",
        &[
            "allowed_source_ranges",
            "backends",
            "detailed",
            "enable_by_file_paths",
            "ignore_proxied_requests",
            "path",
        ],
    ),
    (
        "keystone_auth",
        &[
            "auth_version",
            "collect_timing",
            "region_name",
            "split_loggers",
            "tls_ciphers",
            "tls_min_version",
        ],
    ),
    (
        "keystone_authtoken",
        &[
            "admin_password",
            "admin_tenant_name",
            "admin_user",
            "auth_section",
            "auth_version",
            "cache",
            "enforce_token_bind",
            "http_request_max_retries",
            "include_service_catalog",
            "memcache_password",
            "memcache_pool_conn_get_timeout",
            "memcache_pool_dead_retry",
            "memcache_pool_maxsize",
            "memcache_pool_socket_timeout",
            "memcache_pool_unused_timeout",
            "memcache_sasl_enabled",
            "memcache_secret_key",
            "memcache_security_strategy",
            "memcache_tls_allowed_ciphers",
            "memcache_tls_cafile",
            "memcache_tls_certfile",
            "memcache_tls_enabled",
            "memcache_tls_keyfile",
            "memcache_use_advanced_pool",
            "memcache_username",
            "signing_dir",
        ],
    ),
    ("kubernetes", &["post_install_manifest_url"]),
    ("neutron_client", CLIENT),
    ("nova_client", CLIENT),
    ("octavia_client", CLIENT),
    (
        "oslo_middleware",
        &["http_basic_auth_user_file", "secure_proxy_ssl_header"],
    ),
    ("trust", &["cluster_user_trust"]),
];

/// Of the clients that Magnum 2026.1 configures one by one.
const CLIENT: &[&str] = &["api_version"];

/// True for a known option without effect. `section` is normalised.
pub(crate) fn is_ignored(section: &str, option: &str) -> bool {
    SECTIONS.contains(&section)
        || OPTIONS
            .iter()
            .any(|(known, options)| *known == section && options.contains(&option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_both_declared_and_ignored() {
        for section in crate::config::SECTIONS {
            for option in section.options {
                let ignored = is_ignored(section.name, option.name);
                assert!(!ignored, "[{}] {}", section.name, option.name);
            }
        }
    }
}
