//! Whole configurations: sources and their order, warnings, errors, secrets and the reference text.

#![expect(clippy::unwrap_used, reason = "what the helpers cannot do fails the test")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jeroboam_config::{AffinityPolicy, AuthType, CertManager, Config, ConfigError, IdentityMode, Interface};
use secrecy::ExposeSecret as _;

/// As an installation guide and common deployment tools write it.
const DEPLOYED: &str = r#"
[DEFAULT]
debug = False
log_dir = /var/log/magnum
state_path = /var/lib/magnum
transport_url = rabbit://openstack:RABBIT_PASS@controller:5672//
host = controller-1

[api]
# comment in the first column
host = 10.0.0.11
port = 9511
workers = 5

[barbican_client]
region_name = RegionOne
endpoint_type = internalURL

[certificates]
cert_manager_type = x509keypair

[cinder]
default_docker_volume_type =
default_boot_volume_size = 10

[cinder_client]
region_name = RegionOne
endpoint_type = internalURL
api_version = 3

[cluster_heat]
max_attempts = 60

[cluster_template]
kubernetes_allowed_network_drivers = calico
kubernetes_default_network_driver = calico

[cors]
allowed_origin = https://dashboard.example.org

[database]
connection = mysql+pymysql://magnum:MAGNUM_DBPASS@controller/magnum
connection_recycle_time = 10
max_pool_size = 1
max_overflow = 50
max_retries = -1

[drivers]
verify_ca = true
openstack_ca_file =

[heat_client]
region_name = RegionOne

[keystone_auth]
auth_type = password
auth_url = http://controller:5000
cafile =
region_name = RegionOne
user_domain_id = default
project_domain_id = default

[keystone_authtoken]
auth_version = v3
www_authenticate_uri = http://controller:5000/v3
auth_url = http://controller:5000
auth_type = password
project_domain_id = default
project_name = service
user_domain_name = Default
username = magnum
password = "MAGNUM_PASS"
memcached_servers = controller:11211
memcache_security_strategy = ENCRYPT
memcache_secret_key = MEMCACHE_KEY
service_token_roles_required = True
region_name = RegionOne

[nova_client]
endpoint_type = internalURL

[octavia_client]
endpoint_type = internalURL

[oslo_concurrency]
lock_path = /var/lib/magnum/tmp

[oslo_messaging_notifications]
driver = messagingv2
topics =
    notifications
    audit

[oslo_messaging_rabbit]
heartbeat_in_pthread = false

[oslo_middleware]
enable_proxy_headers_parsing = True

[oslo_policy]
policy_file = policy.yaml

[profiler]
enabled = false

[trust]
cluster_user_trust = True
trustee_domain_name = magnum
trustee_domain_admin_name = magnum_domain_admin
trustee_domain_admin_password = DOMAIN_ADMIN_PASS
trustee_keystone_interface = public
trustee_keystone_region_name = RegionOne
"#;

fn error(text: &str) -> ConfigError {
    Config::from_ini(text).unwrap_err()
}

fn no_environment() -> std::iter::Empty<(String, String)> {
    std::iter::empty()
}

#[test]
fn a_deployed_magnum_conf_loads_and_only_the_cache_is_warned_of() {
    let config = Config::from_ini(DEPLOYED).unwrap();
    let [warning] = config.warnings.as_slice() else {
        panic!("{:?}", config.warnings)
    };
    assert!(warning.contains("memcached_servers has no effect"), "{warning}");
    assert_eq!(config.default.host, "controller-1");
    assert_eq!((config.api.host.as_str(), config.api.port), ("10.0.0.11", 9511));
    assert_eq!(
        config.database.connection.expose_secret(),
        "mysql+pymysql://magnum:MAGNUM_DBPASS@controller/magnum"
    );
    assert_eq!(config.database.max_retries, -1);
    assert_eq!(
        config.certificates.master_key_file,
        PathBuf::from("/var/lib/magnum/master.key")
    );
    assert_eq!(config.cinder.default_docker_volume_type, None);
    assert_eq!(config.cinder.default_boot_volume_size, 10);
    assert_eq!(
        config.cluster_template.kubernetes_allowed_network_drivers,
        ["calico"]
    );
    assert_eq!(config.cinder_client.endpoint_type, Interface::Internal);
    assert_eq!(config.glance_client.endpoint_type, Interface::Public);
    assert!(config.oslo_middleware.enable_proxy_headers_parsing);
    assert_eq!(config.trust.trustee_domain_name.as_deref(), Some("magnum"));
    assert_eq!(config.keystone_auth.cafile, None);
}

#[test]
fn the_defaults_are_those_of_magnum_where_magnum_has_them() {
    let config = Config::from_ini("").unwrap();
    assert!(!config.default.host.is_empty());
    assert_eq!(config.default.service_down_time, Duration::from_secs(180));
    assert_eq!((config.api.port, config.api.max_limit), (9511, 1000));
    assert_eq!(config.oslo_middleware.max_request_body_size, 114_688);
    assert_eq!(
        config.database.connection.expose_secret(),
        "sqlite:////var/lib/jeroboam/jeroboam.sqlite"
    );
    assert_eq!(config.x509.term_of_validity, 1825);
    assert_eq!(
        config.x509.allowed_key_usage,
        ["Digital Signature", "Key Encipherment", "Non Repudiation"]
    );
    assert_eq!(
        config.cluster.nodes_affinity_policy,
        AffinityPolicy::SoftAntiAffinity
    );
    assert_eq!(
        config.cluster_template.kubernetes_allowed_network_drivers,
        ["flannel", "calico", "neutron"],
        "Magnum's, and the one of our own"
    );
    assert_eq!(config.trust.identity, IdentityMode::Grant);
    assert_eq!(config.trust.roles, Vec::<String>::new());
    assert_eq!(config.quotas.max_clusters_per_project, 20);
    assert_eq!(config.quotas.max_nodes_per_cluster, 1000);
    assert!(config.drivers.verify_ca && !config.drivers.trust_server_active);
    assert_eq!(config.keystone_authtoken.token_cache_time, 300);
    assert!(config.engine.call_timeout_secs * 2 <= config.engine.lease_secs);
}

#[test]
fn later_files_win_then_directories_then_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let first = put(
        "a.ini",
        "[api]\nport = 1\nmax_limit = 1\nhost = one\n[quotas]\nmax_clusters_per_project = 1",
    );
    let second = put("b.ini", "[API]\nport = 2\nmax_limit = 2\nhost = two\n");
    put("conf.d/20.conf", "[api]\nport = 4\n");
    put("conf.d/10.conf", "[api]\nport = 3\nmax_limit = 3\n");
    put("conf.d/30.txt", "[api]\nport = 5\n");
    let environment = [
        ("OS_API__HOST", "env"),
        ("OS_DEFAULT__DEBUG", "yes"),
        ("OS_KEYSTONE_AUTHTOKEN__PASSWORD", "\"quoted\""),
        ("OS_PASSWORD", "not ours"),
        ("OS_PLACEMENT__X", "not ours"),
        ("PATH", "/bin"),
    ];
    let environment = environment
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(&[first, second], &[dir.path().join("conf.d")], environment).unwrap();
    assert_eq!(
        (config.api.port, config.api.max_limit, config.api.host.as_str()),
        (4, 3, "env")
    );
    assert_eq!(config.quotas.max_clusters_per_project, 1);
    assert!(config.default.debug);
    assert_eq!(
        config.keystone_authtoken.password.unwrap().expose_secret(),
        "\"quoted\""
    );
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn a_missing_file_or_directory_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    for result in [
        Config::load(std::slice::from_ref(&missing), &[], no_environment()),
        Config::load(&[], std::slice::from_ref(&missing), no_environment()),
    ] {
        assert!(matches!(result, Err(ConfigError::Unreadable { path, .. }) if path == missing));
    }
    assert!(Config::load(&[], &[dir.path().to_owned()], no_environment()).is_ok());
}

#[test]
fn a_wrong_value_is_reported_with_its_place_and_what_would_fit() {
    for (text, message) in [
        (
            "[api]\nport = 70000",
            "text:2: [api] port = \"70000\" is not valid: a port from 0 to 65535 is expected",
        ),
        (
            "[api]\n\nmax_limit = 0",
            "text:3: [api] max_limit = \"0\" is not valid: a number above 0 is expected",
        ),
        (
            "[DEFAULT]\ndebug = maybe",
            "text:2: [DEFAULT] debug = \"maybe\" is not valid: true, yes, on or 1, ",
        ),
        (
            "[DEFAULT]\ndebug =",
            "text:2: [DEFAULT] debug = \"\" is not valid",
        ),
        ("[engine]\nsource_cidrs = 10.0.0.1/24", "a list of IPv4 networks"),
        ("[x509]\nrsa_key_size = 1024", "2048, 3072 or 4096 is expected"),
        (
            "[x509]\nallowed_key_usage = digital signature",
            "a list of some of Digital Signature, ",
        ),
        (
            "[nova_client]\nendpoint_type = x",
            "[nova_client] endpoint_type = \"x\" is not valid: one of public, ",
        ),
        (
            "[DEFAULT]\nservice_down_time = -1",
            "a whole number of seconds from 0 is expected",
        ),
        (
            "[keystone_auth]\nauth_type = v3kerberos",
            "one of password, v3applicationcredential, v3token is expected",
        ),
    ] {
        let error = error(text).to_string();
        assert!(error.contains(message), "{error}");
    }
    let variable = ("OS_API__PORT".to_owned(), "x".to_owned());
    let error = Config::load(&[], &[], std::iter::once(variable))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("OS_API__PORT: [api] port = \"x\""), "{error}");
}

#[test]
fn unknown_names_are_warnings_with_their_place() {
    let config = Config::from_ini(
        "[api]\nprot = 1\n[nosuch]\na = 1\nb = 2\n[default]\nhost = x\n[nova_client]\napi_version = 2\n",
    )
    .unwrap();
    assert_eq!(
        config.warnings,
        [
            "text:2: unknown option prot in [api] has no effect",
            "text:4: unknown section [nosuch] has no effect",
            "text:7: unknown section [default] has no effect",
        ]
    );
    let variables = [("OS_API__PROT", "1"), ("OS_API__WORKERS", "1")];
    let variables = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(&[], &[], variables).unwrap();
    assert_eq!(
        config.warnings,
        ["OS_API__PROT: unknown option in [api] has no effect"]
    );
}

#[test]
fn what_is_not_supported_is_a_warning() {
    let config = "[certificates]\ncert_manager_type = barbican\n[keystone_auth]\nauth_section = x\n\
                  [keystone_authtoken]\ndelay_auth_decision = true\n";
    let config = Config::from_ini(config).unwrap();
    assert_eq!(config.certificates.cert_manager_type, CertManager::Barbican);
    assert!(config.warnings[0].starts_with("text:2: [certificates] cert_manager_type = barbican"));
    assert!(config.warnings[1].starts_with("text:6: [keystone_authtoken] delay_auth_decision"));
    assert!(config.warnings[2].starts_with("text:4: [keystone_auth] auth_section = x"));
}

#[test]
fn references_are_replaced_within_the_section_then_in_default() {
    let config = Config::from_ini(
        "[DEFAULT]\nhost = h\nstate_path = /s\n[api]\nhost = $DEFAULT.host-api\n[cluster_template]\n\
         kubernetes_default_network_driver = calico\n\
         kubernetes_allowed_network_drivers = $kubernetes_default_network_driver,${host},a$$b\n\
         [database]\nconnection = x://$keystone_authtoken.password@$api.host/$trust.trustee_domain_id\n\
         [keystone_authtoken]\npassword = p$$w\n",
    )
    .unwrap();
    assert_eq!(config.api.host, "h-api");
    assert_eq!(
        config.cluster_template.kubernetes_allowed_network_drivers,
        ["calico", "h", "a$b"]
    );
    assert_eq!(config.database.connection.expose_secret(), "x://p$w@h-api/");
    assert_eq!(
        config.certificates.master_key_file,
        PathBuf::from("/s/master.key")
    );
}

#[test]
fn an_option_without_effect_can_be_referred_to_where_a_file_sets_it() {
    let config = Config::from_ini("[DEFAULT]\nbindir = /opt/bin\nstate_path = $bindir/../state\n").unwrap();
    assert_eq!(config.default.state_path, PathBuf::from("/opt/bin/../state"));
    let unset = error("[DEFAULT]\nstate_path = $pybasedir\n").to_string();
    assert!(unset.contains("state_path refers to $pybasedir"), "{unset}");
}

#[test]
fn a_reference_to_nothing_or_in_a_circle_is_an_error_that_hides_the_value() {
    let unknown = error("[keystone_authtoken]\npassword = very$ecret\n").to_string();
    assert!(
        unknown.starts_with("text:2: [keystone_authtoken] password refers to (hidden),"),
        "{unknown}"
    );
    let unknown = error("[api]\nhost = a$nosuch.x\n").to_string();
    assert!(
        unknown.starts_with("text:2: [api] host refers to $nosuch.x,"),
        "{unknown}"
    );
    let mistyped =
        error("[keystone_authtoken]\npassword = hush\n[api]\nport = $keystone_authtoken.password\n");
    assert!(!mistyped.to_string().contains("hush"), "{mistyped}");
    for text in [
        "[api]\nhost = $host\n",
        "[DEFAULT]\nhost = $api.host\n[api]\nhost = ${DEFAULT.host}\n",
    ] {
        assert!(matches!(error(text), ConfigError::Circle { .. }), "{text}");
    }
}

#[test]
fn the_services_login_is_completed_option_by_option_but_domains_stay_whole() {
    let credentials = Config::from_ini(DEPLOYED).unwrap().service_credentials();
    assert_eq!(credentials.auth_urls, ["http://controller:5000"]);
    assert_eq!(credentials.username.as_deref(), Some("magnum"));
    assert_eq!(credentials.password.unwrap().expose_secret(), "MAGNUM_PASS");
    assert_eq!(credentials.project_name.as_deref(), Some("service"));
    assert_eq!(credentials.user_domain_id.as_deref(), Some("default"));
    assert_eq!(credentials.user_domain_name, None);
    assert_eq!(credentials.timeout, Duration::from_secs(60));

    let text = "[keystone_authtoken]\nwww_authenticate_uri = http://k/v3\ninsecure = true\ncafile = /ca\n";
    let credentials = Config::from_ini(text).unwrap().service_credentials();
    assert_eq!(credentials.auth_urls, ["http://k/v3"]);
    assert!(credentials.insecure);
    assert_eq!(credentials.cafile, Some(PathBuf::from("/ca")));
    let overruled = Config::from_ini(&format!("{text}[keystone_auth]\ninsecure = false\n")).unwrap();
    assert!(!overruled.service_credentials().insecure);
}

#[test]
fn the_login_may_be_an_application_credential_at_several_urls() {
    let text = "[keystone_authtoken]\nusername = u\npassword = p\n[keystone_auth]\n\
                auth_type = v3applicationcredential\nauth_url = http://a/v3, http://b/v3\n\
                application_credential_id = i\napplication_credential_secret = hunter2\n";
    let config = Config::from_ini(text).unwrap();
    let credentials = config.service_credentials();
    assert_eq!(credentials.auth_type, AuthType::ApplicationCredential);
    assert_eq!(credentials.auth_urls, ["http://a/v3", "http://b/v3"]);
    assert_eq!(credentials.application_credential_id.as_deref(), Some("i"));
    assert!(!format!("{config:?} {credentials:?}").contains("hunter2"));

    let elsewhere = text.replace(
        "[keystone_auth]",
        "[keystone_auth]\nauth_section = keystone_authtoken",
    );
    let credentials = Config::from_ini(&elsewhere).unwrap().service_credentials();
    assert_eq!(credentials.auth_type, AuthType::Password);
    assert_eq!(credentials.auth_urls, Vec::<String>::new());
}

#[test]
fn old_names_go_on_to_work_with_a_warning_and_yield_to_the_present_ones() {
    let config = Config::from_ini(
        "[keystone_authtoken]\nauth_uri = http://old\ntenant_name = t\n[DEFAULT]\nlogfile = a\nlog_file = b\n\
         [bay]\nnodes_affinity_policy = affinity\n",
    )
    .unwrap();
    let authtoken = &config.keystone_authtoken;
    assert_eq!(authtoken.www_authenticate_uri.as_deref(), Some("http://old"));
    assert_eq!(authtoken.project_name.as_deref(), Some("t"));
    assert_eq!(config.default.log_file, Some(PathBuf::from("b")));
    assert_eq!(config.cluster.nodes_affinity_policy, AffinityPolicy::Affinity);
    assert_eq!(
        config.warnings[0],
        "text:2: [keystone_authtoken] auth_uri is an old name of [keystone_authtoken] www_authenticate_uri"
    );
    assert_eq!(config.warnings.len(), 4);
    let later = Config::from_ini("[DEFAULT]\nlog_file = b\nlogfile = a\n").unwrap();
    assert_eq!(later.default.log_file, Some(PathBuf::from("b")));
}

#[test]
fn tls_without_its_files_ends_the_start() {
    let missing = error("[api]\nenabled_ssl = true\nssl_cert_file = /c.pem\n").to_string();
    assert_eq!(
        missing,
        "text:2: [api] enabled_ssl needs ssl_cert_file and ssl_key_file"
    );
    for (text, part) in [
        ("[metrics]\nlisten = 9512\n", "127.0.0.1:9512"),
        ("[api]\nunix_socket_mode = 0999\n", "octal"),
        ("[api]\nssl_minimum_version = SSLv3\n", "TLSv1.2, TLSv1.3"),
    ] {
        assert!(error(text).to_string().contains(part), "{text}");
    }
}

#[test]
fn no_secret_reaches_the_debug_output() {
    let config = Config::from_ini(DEPLOYED).unwrap();
    let shown = format!("{config:?} {:?}", config.service_credentials());
    for secret in ["MAGNUM_PASS", "MAGNUM_DBPASS", "DOMAIN_ADMIN_PASS"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(shown.contains("10.0.0.11"));
}

#[test]
fn the_reference_configuration_states_the_defaults_that_are_used() {
    let sample = Config::sample();
    let uncommented: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(option) if option.starts_with(|first: char| first.is_ascii_lowercase()) => {
                format!("{option}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let host = Config::from_ini("").unwrap().default.host;
    let uncommented = uncommented.replacen("host =\n", &format!("host = {host}\n"), 1);
    let stated = Config::from_ini(&uncommented).unwrap();
    let used = Config::from_ini("").unwrap();
    assert_eq!(format!("{stated:?}"), format!("{used:?}"));
    assert!(uncommented.contains("\nbudget_coe_secs = 900\n") && !uncommented.contains("\n#host"));
    assert!(sample.contains("# (port value)\n#port = 9511\n"), "{sample}");
    assert!(Config::from_ini(&sample).is_ok());
}

#[test]
fn servers_are_trusted_only_in_a_declared_laboratory_and_never_in_silence() {
    let load = |text: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lab.conf");
        fs::write(&file, format!("[drivers]\n{text}")).unwrap();
        Config::load(&[file], &[], no_environment())
    };
    let alone = load("trust_server_active = true\n");
    assert!(matches!(alone, Err(ConfigError::LaboratoryOnly { .. })));
    let declared = load("trust_server_active = true\nlaboratory = true\n").unwrap();
    assert!(declared.drivers.trust_server_active);
    assert!(
        declared
            .warnings
            .iter()
            .any(|warning| warning.contains("LABORATORY"))
    );
    assert_eq!(
        load("laboratory = true\n").unwrap().warnings,
        Vec::<String>::new()
    );
}
