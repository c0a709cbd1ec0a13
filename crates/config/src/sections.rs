//! Every option of the service: its name, type, default and meaning.
//!
//! Sections and options that Magnum has keep Magnum's names; `[engine]` and what is marked as our own do not
//! exist there. Options named by oslo.config take whole seconds as [`Duration`]; our own carry their unit in
//! their name.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::option::Initial::{HostName, Text, Unset};
use crate::option::sections;
use crate::value::{
    AffinityPolicy, AuthType, CertManager, IdentityMode, Interface, RemoteContentType, SyslogFacility,
    TlsVersion,
};

/// Names for `[x509] allowed_extensions`.
const EXTENSIONS: &[&str] = &[
    "authorityKeyIdentifier",
    "subjectKeyIdentifier",
    "authorityInfoAccess",
    "basicConstraints",
    "cRLDistributionPoints",
    "certificatePolicies",
    "extendedKeyUsage",
    "OCSPNoCheck",
    "inhibitAnyPolicy",
    "keyUsage",
    "nameConstraints",
    "subjectAltName",
    "issuerAltName",
];

/// Names for `[x509] allowed_key_usage`.
const KEY_USAGES: &[&str] = &[
    "Digital Signature",
    "Non Repudiation",
    "Key Encipherment",
    "Data Encipherment",
    "Key Agreement",
    "Certificate Sign",
    "CRL Sign",
    "Encipher Only",
    "Decipher Only",
];

fn positive<T: PartialOrd + Default>(value: &T) -> Result<(), String> {
    if *value > T::default() {
        Ok(())
    } else {
        Err("a number above 0".to_owned())
    }
}

fn octal(text: &str) -> Result<(), String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(()),
        _ => Err("an octal mode from 0 to 0777".to_owned()),
    }
}

fn socket_address(text: &Option<String>) -> Result<(), String> {
    match text.as_deref().map(str::parse::<std::net::SocketAddr>) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err("an address and a port, such as 127.0.0.1:9512 or [::1]:9512".to_owned()),
    }
}

fn https_url(text: &Option<String>) -> Result<(), String> {
    let rest = match text.as_deref().map(|text| text.strip_prefix("https://")) {
        None => return Ok(()),
        Some(rest) => rest.unwrap_or_default(),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if !rest.is_empty() && rest.bytes().all(is_host) {
        Ok(())
    } else {
        Err("https:// with a host and a port alone, such as https://192.0.2.10:9513".to_owned())
    }
}

/// Names that `[api] access_log_format` may hold.
const ACCESS_NAMES: &[&str] = &[
    "method",
    "path",
    "status",
    "elapsed_ms",
    "bytes",
    "request_id",
    "global_request_id",
    "user_id",
    "project_id",
    "microversion",
    "client",
    "user_agent",
];

fn access_format(format: &Option<String>) -> Result<(), String> {
    let names = format.as_deref().unwrap_or_default().split("%(").skip(1);
    for rest in names {
        let known = rest
            .split_once(")s")
            .is_some_and(|(name, _)| ACCESS_NAMES.contains(&name));
        if !known {
            return Err(format!("a text with some of %({})s", ACCESS_NAMES.join(")s, %(")));
        }
    }
    Ok(())
}

fn optional_positive(value: &Option<u64>) -> Result<(), String> {
    value.as_ref().map_or(Ok(()), positive)
}

fn all_of(known: &'static [&'static str]) -> impl FnOnce(&Vec<String>) -> Result<(), String> {
    move |values| match values.iter().all(|value| known.contains(&value.as_str())) {
        true => Ok(()),
        false => Err(format!("a list of some of {}", known.join(", "))),
    }
}

fn networks() -> impl FnOnce(&Vec<String>) -> Result<(), String> {
    let is_network = |text: &String| {
        let (address, length) = text.split_once('/')?;
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
        Some(address & u32::MAX.checked_shr(length).unwrap_or(0) == 0)
    };
    move |values| match values.iter().all(|text| is_network(text) == Some(true)) {
        true => Ok(()),
        false => Err("a list of IPv4 networks such as 192.0.2.0/28".to_owned()),
    }
}

fn rsa_size(bits: &u32) -> Result<(), String> {
    if [2048, 3072, 4096].contains(bits) {
        Ok(())
    } else {
        Err("2048, 3072 or 4096".to_owned())
    }
}

sections! {
    /// Options that concern the whole service.
    General {
        /// Name of this node: it identifies the process in the list of services and in notifications, and owns
        /// the work it has claimed.
        host: String = HostName;
        /// Log at level debug instead of info.
        debug: bool = Text("false");
        /// Seconds without a sign of life after which a service counts as down.
        service_down_time: Duration = Text("180"), positive;
        /// Directory for what the service keeps on disk.
        state_path: PathBuf = Text("/var/lib/jeroboam");
        /// File to log to instead of the standard error output; opened anew on SIGHUP.
        log_file: Option<PathBuf> = Unset;
        /// Directory that a relative log_file is in.
        log_dir: Option<PathBuf> = Unset;
        /// Log to the standard error output also when there is a log_file.
        use_stderr: bool = Text("false");
        /// Log to the system's syslog, too where there is a log_file or use_stderr.
        use_syslog: bool = Text("false");
        /// Facility of syslog that lines are told under, such as LOG_USER, LOG_DAEMON or LOG_LOCAL0.
        syslog_log_facility: SyslogFacility = Text("LOG_USER");
        /// Log one JSON object a line.
        use_json: bool = Text("false");
        /// Seconds that requests under way may take to end after a shutdown began; 0 for no limit.
        graceful_shutdown_timeout: Duration = Text("60");
        /// Longest pause between the rounds of periodic tasks, in seconds: the process tells so often that it is
        /// alive, for service_down_time to be judged by.
        periodic_interval_max: Duration = Text("60"), positive;
    }

    /// The REST API.
    Api {
        /// Port to listen on.
        port: u16 = Text("9511");
        /// Address to listen on; nothing for none but unix_socket.
        host: String = Text("127.0.0.1");
        /// Our own: path of a Unix socket to listen on too. It speaks plain HTTP.
        unix_socket: Option<PathBuf> = Unset;
        /// Our own: mode of that socket, in octal.
        unix_socket_mode: String = Text("0660"), |mode| octal(mode);
        /// Threads that answer requests; as many as there are processors when unset.
        workers: Option<u32> = Unset;
        /// Most items in one answer to a list request.
        max_limit: u32 = Text("1000"), positive;
        /// Speak TLS on host and port.
        enabled_ssl: bool = Text("false");
        /// PEM file with the certificate and its chain. Read again when it changes and on SIGHUP.
        ssl_cert_file: Option<PathBuf> = Unset;
        /// PEM file with the key of the certificate.
        ssl_key_file: Option<PathBuf> = Unset;
        /// Our own: lowest version of TLS that is spoken, TLSv1.2 or TLSv1.3.
        ssl_minimum_version: TlsVersion = Text("TLSv1.2");
        /// Our own: seconds for which what was found in other services (images, flavors, networks, subnets, keypairs) is
        /// remembered for further requests with the same token; 0 asks each time.
        lookups_kept: Duration = Text("5");
        /// Our own: log a line for each answer.
        access_log: bool = Text("true");
        /// Our own: that line as text, with %(method)s, %(path)s, %(status)s, %(elapsed_ms)s, %(bytes)s,
        /// %(request_id)s, %(global_request_id)s, %(user_id)s, %(project_id)s, %(microversion)s, %(client)s and
        /// %(user_agent)s. When unset the same things are fields of the line.
        access_log_format: Option<String> = Unset, access_format;
    }

    /// What happens to requests before they reach the API.
    OsloMiddleware {
        /// Believe the Forwarded and X-Forwarded-* headers that a proxy sets. Only for an API that nobody can
        /// reach except through such a proxy.
        enable_proxy_headers_parsing: bool = Text("false");
        /// Largest body of a request, in bytes.
        max_request_body_size: u64 = Text("114688"), positive;
    }

    /// Who may do what.
    OsloPolicy {
        /// File with rules that take the place of defaults. Relative names are looked for beside the configuration
        /// files. It is read again when it changes.
        policy_file: PathBuf = Text("policy.yaml");
        /// Directories of more such files, read after it in the order of their names.
        policy_dirs: Vec<String> = Text("policy.d");
        /// Refuse tokens whose scope a rule is not made for.
        enforce_scope: bool = Text("true");
        /// Grant nothing by defaults that newer ones have replaced.
        enforce_new_defaults: bool = Text("true");
        /// Rule in place of one that is referred to and not defined.
        policy_default_rule: String = Text("default");
        /// Seconds that a server asked by an http: or https: rule may take.
        remote_timeout: f64 = Text("60"), positive;
        /// How such a server is asked: application/x-www-form-urlencoded or application/json.
        remote_content_type: RemoteContentType = Text("application/x-www-form-urlencoded");
        /// Check the certificate of such a server. oslo.policy does not unless told to.
        remote_ssl_verify_server_crt: bool = Text("true");
        /// PEM file with the authorities that its certificate is checked against; the system's when unset.
        remote_ssl_ca_crt_file: Option<PathBuf> = Unset;
        /// PEM file with the certificate to show to such a server.
        remote_ssl_client_crt_file: Option<PathBuf> = Unset;
        /// PEM file with its key, if that is not in the same file.
        remote_ssl_client_key_file: Option<PathBuf> = Unset;
    }

    /// The /healthcheck resource.
    Healthcheck {
        /// The API calls itself unavailable as long as this file exists, so that a load balancer drains it.
        disable_by_file_path: PathBuf = Text("/etc/magnum/healthcheck_disable");
        /// The same for single ports, as port:path,port:path.
        disable_by_file_paths: Vec<String> = Text("");
    }

    /// Pages of other origins that browsers let use the API.
    Cors {
        /// Origins, such as https://dashboard.example.com; * for any. None by default.
        allowed_origin: Vec<String> = Text("");
        /// Browsers may send credentials.
        allow_credentials: bool = Text("true");
        /// Headers of answers that pages may read.
        expose_headers: Vec<String> =
            Text("X-Auth-Token,X-Subject-Token,X-Service-Token,X-OpenStack-Request-ID,X-Server-Management-Url");
        /// Seconds for which browsers remember what is allowed.
        max_age: u64 = Text("3600");
        /// Methods that pages may use.
        allow_methods: Vec<String> = Text("GET,PUT,POST,DELETE,PATCH");
        /// Headers that pages may send, besides those that need no leave.
        allow_headers: Vec<String> =
            Text("X-Auth-Token,X-Identity-Status,X-Roles,X-Service-Catalog,X-User-Id,X-Tenant-Id,X-OpenStack-Request-ID,X-Server-Management-Url");
    }

    /// Numbers for Prometheus. Our own.
    Metrics {
        /// Address and port at which /metrics is served, such as 127.0.0.1:9512, without authentication and in plain
        /// HTTP. Nothing is served when unset.
        listen: Option<String> = Unset, socket_address;
    }

    /// The endpoint that nodes fetch their keys from at their first boot, so that Nova's user-data holds none. Off
    /// without url and listen. Our own.
    Bootstrap {
        /// URL of the endpoint as nodes reach it, such as https://192.0.2.10:9513: an address of this service, or of
        /// what hands connections on to it without ending TLS. Nodes find their keys in their user-data when unset, and
        /// clusters cannot be scaled by themselves.
        url: Option<String> = Unset, https_url;
        /// Address and port to listen on, such as 0.0.0.0:9513.
        listen: Option<String> = Unset, socket_address;
        /// Certificate of the endpoint with its intermediate ones, PEM. When unset the service makes one of its own in
        /// state_path; processes behind one url must share one.
        cert_file: Option<PathBuf> = Unset;
        /// Private key of that certificate.
        key_file: Option<PathBuf> = Unset;
        /// Certificates that nodes trust at url, and no others, PEM; those of cert_file when unset.
        trust_file: Option<PathBuf> = Unset;
        /// Seconds from the call that makes a server within which its node must have fetched its keys.
        token_life_secs: u64 = Text("3600"), positive;
    }

    /// The database.
    Database {
        /// URL of the database, as SQLAlchemy writes it. Four slashes begin an absolute path of SQLite.
        connection: SecretString = Text("sqlite:///$state_path/jeroboam.sqlite");
        /// Most open connections. Lists use all but one of them at most.
        max_pool_size: u32 = Text("5"), positive;
        /// Further attempts to connect at start; -1 never gives up.
        max_retries: i64 = Text("10");
        /// Seconds between those attempts.
        retry_interval: Duration = Text("10");
    }

    /// How tokens of requests are validated, and the service's own user.
    KeystoneAuthtoken {
        /// Public URL of Keystone, told to clients that send no valid token.
        www_authenticate_uri: Option<String> = Unset;
        /// Kind of login: password, v3applicationcredential or v3token.
        auth_type: Option<AuthType> = Unset;
        /// URL of Keystone. Several with commas between them are tried one after the other.
        auth_url: Option<String> = Unset;
        /// Name of the service's user.
        username: Option<String> = Unset;
        /// Id of the service's user.
        user_id: Option<String> = Unset;
        /// Password of the service's user.
        password: Option<SecretString> = Unset;
        /// Name of the domain of the user.
        user_domain_name: Option<String> = Unset;
        /// Id of the domain of the user.
        user_domain_id: Option<String> = Unset;
        /// Name of the service's project.
        project_name: Option<String> = Unset;
        /// Id of the service's project.
        project_id: Option<String> = Unset;
        /// Name of the domain of the project.
        project_domain_name: Option<String> = Unset;
        /// Id of the domain of the project.
        project_domain_id: Option<String> = Unset;
        /// The domain of user and project where none is set, by name.
        default_domain_name: Option<String> = Unset;
        /// The domain of user and project where none is set, by id.
        default_domain_id: Option<String> = Unset;
        /// Scope of the login instead of a project: all, for the whole deployment.
        system_scope: Option<String> = Unset;
        /// Scope of the login instead of a project: a trust, by its id.
        trust_id: Option<String> = Unset;
        /// Application credential to log in with, by its id.
        application_credential_id: Option<String> = Unset;
        /// Application credential to log in with, by its name; username tells whose it is.
        application_credential_name: Option<String> = Unset;
        /// Secret of the application credential.
        application_credential_secret: Option<SecretString> = Unset;
        /// Token to exchange for others, for v3token.
        token: Option<SecretString> = Unset;
        /// Region whose endpoints are used.
        region_name: Option<String> = Unset;
        /// Endpoint of Keystone to validate tokens at: public, internal or admin.
        interface: Interface = Text("internal");
        /// PEM file with the authorities that Keystone's certificate is checked against; the system's when unset.
        cafile: Option<PathBuf> = Unset;
        /// Do not check Keystone's certificate.
        insecure: bool = Text("false");
        /// PEM file with the certificate that the service shows to Keystone, where that wants one.
        certfile: Option<PathBuf> = Unset;
        /// PEM file with the key of that certificate.
        keyfile: Option<PathBuf> = Unset;
        /// Seconds that it may take to connect to Keystone.
        http_connect_timeout: Option<u64> = Unset, optional_positive;
        /// Roles of which a service token must have one to let an expired user token through.
        service_token_roles: Vec<String> = Text("service");
        /// Refuse service tokens that have none of those roles.
        service_token_roles_required: bool = Text("true");
        /// Type of this service in the catalog, for application credentials with access rules.
        service_type: String = Text("container-infra");
        /// Only false: requests without a valid token are refused here.
        delay_auth_decision: bool = Text("false");
        /// Without effect: each process remembers validated tokens in its own memory.
        memcached_servers: Vec<String> = Text("");
        /// Seconds for which a validated token is remembered; -1 remembers none.
        token_cache_time: i64 = Text("300");
        /// Our own: seconds after which a remembered token is validated again at its next use, so that a revoked
        /// one stops working soon.
        token_revalidate_time: Duration = Text("10");
    }

    /// How the service logs in to the cloud. What is unset here is taken from keystone_authtoken.
    KeystoneAuth {
        /// Kind of login: password, v3applicationcredential or v3token.
        auth_type: Option<AuthType> = Unset;
        /// URL of Keystone. Several with commas between them are tried one after the other.
        auth_url: Option<String> = Unset;
        /// Name of the service's user.
        username: Option<String> = Unset;
        /// Id of the service's user.
        user_id: Option<String> = Unset;
        /// Password of the service's user.
        password: Option<SecretString> = Unset;
        /// Name of the domain of the user.
        user_domain_name: Option<String> = Unset;
        /// Id of the domain of the user.
        user_domain_id: Option<String> = Unset;
        /// Name of the service's project.
        project_name: Option<String> = Unset;
        /// Id of the service's project.
        project_id: Option<String> = Unset;
        /// Name of the domain of the project.
        project_domain_name: Option<String> = Unset;
        /// Id of the domain of the project.
        project_domain_id: Option<String> = Unset;
        /// The domain of user and project where none is set, by name.
        default_domain_name: Option<String> = Unset;
        /// The domain of user and project where none is set, by id.
        default_domain_id: Option<String> = Unset;
        /// Scope of the login instead of a project: all, for the whole deployment.
        system_scope: Option<String> = Unset;
        /// Scope of the login instead of a project: a trust, by its id.
        trust_id: Option<String> = Unset;
        /// Application credential to log in with, by its id.
        application_credential_id: Option<String> = Unset;
        /// Application credential to log in with, by its name; username tells whose it is.
        application_credential_name: Option<String> = Unset;
        /// Secret of the application credential.
        application_credential_secret: Option<SecretString> = Unset;
        /// Token to exchange for others, for v3token.
        token: Option<SecretString> = Unset;
        /// Section to take the login from when it is keystone_authtoken: then nothing of the login is read here.
        auth_section: Option<String> = Unset;
        /// PEM file with the authorities that the certificates of all services are checked against; the system's
        /// when unset.
        cafile: Option<PathBuf> = Unset;
        /// Do not check the certificates of services.
        insecure: Option<bool> = Unset;
        /// PEM file with the certificate that the service shows to others, where they want one.
        certfile: Option<PathBuf> = Unset;
        /// PEM file with the key of that certificate.
        keyfile: Option<PathBuf> = Unset;
        /// Seconds that a request to a service may take.
        timeout: Duration = Text("60"), positive;
    }

    /// The identity under which the engine works for the owner of a cluster.
    Trust {
        /// Our own: grant (the service's user is granted roles in the project) or trust (a user made for the
        /// cluster holds a trust of its owner).
        identity: IdentityMode = Text("grant");
        /// Id of the domain in which users for clusters are made.
        trustee_domain_id: Option<String> = Unset;
        /// Name of that domain.
        trustee_domain_name: Option<String> = Unset;
        /// Id of the user that administers that domain.
        trustee_domain_admin_id: Option<String> = Unset;
        /// Name of that user.
        trustee_domain_admin_name: Option<String> = Unset;
        /// Id of the domain of that user.
        trustee_domain_admin_domain_id: Option<String> = Unset;
        /// Name of the domain of that user.
        trustee_domain_admin_domain_name: Option<String> = Unset;
        /// Password of that user.
        trustee_domain_admin_password: Option<SecretString> = Unset;
        /// Roles of the identity in the project. When empty: member for grant, all of the owner's for trust.
        roles: Vec<String> = Text("");
        /// Endpoint of Keystone that nodes use: public, internal or admin.
        trustee_keystone_interface: Interface = Text("public");
        /// Region of the endpoint of Keystone that nodes use.
        trustee_keystone_region_name: Option<String> = Unset;
    }

    /// Where the certificates of clusters are kept.
    Certificates {
        /// Only x509keypair is supported: the service's own database, in which private keys are sealed.
        cert_manager_type: CertManager = Text("x509keypair");
        /// Our own: file with the master keys that seal secrets. Made at the first start; back it up apart from
        /// the database, which is of no use without it.
        master_key_file: PathBuf = Text("$state_path/master.key");
    }

    /// The certificates of clusters.
    X509 {
        /// Let a signing request have the key usages Certificate Sign and CRL Sign, if allowed_key_usage lists
        /// them.
        allow_ca: bool = Text("false");
        /// Extensions that a signing request may ask for.
        allowed_extensions: Vec<String> =
            Text("keyUsage,extendedKeyUsage,subjectAltName,basicConstraints,subjectKeyIdentifier"),
            all_of(EXTENSIONS);
        /// Key usages that a signing request may ask for.
        allowed_key_usage: Vec<String> = Text("Digital Signature,Key Encipherment,Non Repudiation"),
            all_of(KEY_USAGES);
        /// Days for which a certificate is valid.
        term_of_validity: u32 = Text("1825"), positive;
        /// Bits of the RSA keys of certificate authorities: 2048, 3072 or 4096.
        rsa_key_size: u32 = Text("2048"), rsa_size;
    }

    /// Clusters.
    Cluster {
        /// Policy of the server groups that nodes are put in: affinity, anti-affinity, soft-affinity or
        /// soft-anti-affinity.
        nodes_affinity_policy: AffinityPolicy = Text("soft-anti-affinity");
        /// Seconds to wait for the load balancers that a cluster's workload made, before the cluster is deleted.
        pre_delete_lb_timeout: Duration = Text("60");
    }

    /// Cluster templates.
    ClusterTemplate {
        /// Network drivers that Kubernetes templates may name; all for any.
        kubernetes_allowed_network_drivers: Vec<String> = Text("flannel,calico,neutron");
        /// Network driver of Kubernetes templates that name none.
        kubernetes_default_network_driver: String = Text("flannel");
        /// Network drivers that Swarm templates may name; all for any.
        swarm_allowed_network_drivers: Vec<String> = Text("all");
        /// Network driver of Swarm templates that name none.
        swarm_default_network_driver: String = Text("docker");
    }

    /// Volumes of nodes.
    Cinder {
        /// Type of volumes for container images; Cinder's own default when empty.
        default_docker_volume_type: Option<String> = Unset;
        /// Type of volumes for etcd; Cinder's own default when empty.
        default_etcd_volume_type: Option<String> = Unset;
        /// Type of volumes that nodes boot from; Cinder's own default when empty.
        default_boot_volume_type: Option<String> = Unset;
        /// Size of volumes that nodes boot from, in GiB; 0 boots from the image.
        default_boot_volume_size: u32 = Text("0");
    }

    /// Drivers of clusters.
    Drivers {
        /// Nodes check the certificates of OpenStack services.
        verify_ca: bool = Text("true");
        /// PEM file with the authorities that nodes check those certificates against.
        openstack_ca_file: Option<PathBuf> = Unset;
        /// Drivers that are not offered.
        disabled_drivers: Vec<String> = Text("");
        /// Beta drivers that are offered.
        enabled_beta_drivers: Vec<String> = Text("");
        /// Driver of templates that name none.
        default_driver: Option<String> = Unset;
        /// Our own: this is a laboratory, on whose clusters nobody relies. Without it, what is only for
        /// laboratories is refused.
        laboratory: bool = Text("false");
        /// Our own, for laboratories without real nodes only: a server that is ACTIVE counts as a ready node.
        trust_server_active: bool = Text("false");
    }

    /// The health of clusters, of Kubernetes and of others.
    Kubernetes {
        /// Seconds between two looks at a cluster, about; nobody looks when it is not above 0.
        health_polling_interval: i64 = Text("60");
        /// JSON file with who may do what by a token of Keystone in clusters that take these, in the words of
        /// k8s-keystone-auth; $PROJECT_ID stands for the cluster's project. Without it the policy that ships.
        keystone_auth_default_policy: Option<PathBuf> = Unset;
    }

    /// Add-ons of Kubernetes clusters. Our own.
    AddOns {
        /// File with the operator's own add-ons, and with what is to be otherwise of those that ship with the service.
        catalogue: Option<PathBuf> = Unset;
        /// The program of Helm, for add-ons that are charts: its path, or a name to be found in PATH. It may be missing
        /// where no cluster has such an add-on.
        helm: PathBuf = Text("helm");
        /// Add-ons that new clusters have where no label says otherwise.
        enabled: Vec<String> = Text("");
        /// Minutes between two looks at the add-ons of a cluster that stands. What somebody changed or deleted of them is
        /// applied again. 0 for none.
        mend_interval_mins: u64 = Text("10");
    }

    /// Limits.
    Quotas {
        /// Clusters of a project that has no quota of its own.
        max_clusters_per_project: u32 = Text("20");
        /// Our own: nodes of one cluster, masters and workers together.
        max_nodes_per_cluster: u32 = Text("1000"), positive;
    }

    /// Access to one of the cloud's services.
    ServiceClient {
        /// Region whose endpoint is used.
        region_name: Option<String> = Unset;
        /// Endpoint that is used: publicURL, internalURL or adminURL.
        endpoint_type: Interface = Text("publicURL");
        /// PEM file with the authorities that the service's certificate is checked against; those of
        /// [keystone_auth] when unset.
        ca_file: Option<PathBuf> = Unset;
        /// Do not check the service's certificate; as [keystone_auth] says when neither this nor ca_file is set.
        insecure: Option<bool> = Unset;
        /// PEM file with the certificate to show to the service; that of [keystone_auth] when unset.
        cert_file: Option<PathBuf> = Unset;
        /// PEM file with the key of that certificate.
        key_file: Option<PathBuf> = Unset;
    }

    /// The engine that makes clusters what they are asked to be. Our own.
    Engine {
        /// Clusters worked on at once by one process.
        workers: u32 = Text("64"), positive;
        /// Calls to the cloud in flight at once for one process.
        parallel_calls: u32 = Text("32"), positive;
        /// Steps of one cluster that run at once.
        steps_per_cluster: u32 = Text("16"), positive;
        /// Seconds after which the work of a process that has died is taken over.
        lease_secs: u64 = Text("90"), positive;
        /// Milliseconds between looks for work that is due.
        poll_interval_ms: u64 = Text("1000"), positive;
        /// Networks that this service's connections to clusters come from, as clusters see them. They may always reach
        /// the API of a cluster, also where the label master_lb_allowed_cidrs lets few others.
        source_cidrs: Vec<String> = Text(""), networks();
        /// Attempts at a step that fails in a way that may pass.
        retry_limit: u32 = Text("5");
        /// Seconds that one call to the cloud may take; at most half of lease_secs, so that no call outlives it.
        call_timeout_secs: u64 = Text("30"), positive;
        /// Seconds for which the outcome of a call without an answer is looked for before it is sent again.
        settle_secs: u64 = Text("5");
        /// Minutes that the deletion of a cluster may take.
        delete_timeout_mins: u64 = Text("30"), positive;
        /// Minutes that a change of a cluster may take: a resize, another node group, a rotation.
        update_timeout_mins: u64 = Text("60"), positive;
        /// Seconds that the workloads of a node that is to go are given to stop.
        drain_secs: u64 = Text("120");
        /// Looks at the health of clusters at once for one process.
        health_looks: u32 = Text("16"), positive;
        /// Seconds that one look at a cluster's health may take.
        health_look_secs: u64 = Text("20"), positive;
        /// Seconds that a node which is not ready is given before it is replaced, in clusters with the label
        /// auto_healing_enabled.
        heal_after_secs: u64 = Text("300");
        /// Most nodes of a cluster that are replaced so within heal_window_mins; 0 for none.
        heal_limit: u32 = Text("3");
        /// Minutes for which heal_limit counts.
        heal_window_mins: u64 = Text("60"), positive;
        /// Seconds that nodes of a new cluster, or new nodes, are late before their consoles are read for the cause.
        diagnose_after_secs: u64 = Text("60");
        /// Seconds that a server may take to become ready.
        budget_server_secs: u64 = Text("900"), positive;
        /// Seconds that a load balancer may take to become ready.
        budget_load_balancer_secs: u64 = Text("900"), positive;
        /// Seconds that a volume may take to become ready.
        budget_volume_secs: u64 = Text("300"), positive;
        /// Seconds that any other resource may take to become ready.
        budget_other_secs: u64 = Text("300"), positive;
        /// Seconds that the container orchestration engine may take to become ready.
        budget_coe_secs: u64 = Text("900"), positive;
    }
}
