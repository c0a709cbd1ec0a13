//! Arguments of the control plane and the kubelet: free ones from labels, checked as far as they are known, and those
//! that labels of their own stand for.

use jeroboam_blueprint::read::{self, items, label};
use jeroboam_driver::{Ask, Invalid};

use super::{KEYSTONE_AUTH_LABEL, has_keystone_auth, values};
use crate::webhook;

/// Arguments by component: names without dashes, and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) api_server: Vec<(String, String)>,
    pub(crate) controller_manager: Vec<(String, String)>,
    pub(crate) scheduler: Vec<(String, String)>,
    pub(crate) kubelet: Vec<(String, String)>,
}

/// What a known argument takes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bool,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// Such as `1h30m`.
    Duration,
}

use Kind::{Bool, Duration, Whole};

/// No argument takes more.
const MOST: i64 = i32::MAX as i64;

/// Arguments of any of the components whose values are known. Those of one name mean the same wherever they are.
const KNOWN: &[(&str, Kind)] = &[
    ("v", Whole(0, 10)),
    ("profiling", Bool),
    ("contention-profiling", Bool),
    ("leader-elect", Bool),
    ("leader-elect-lease-duration", Duration),
    ("leader-elect-renew-deadline", Duration),
    ("leader-elect-retry-period", Duration),
    ("kube-api-burst", Whole(0, MOST)),
    // API server
    ("allow-privileged", Bool),
    ("audit-log-maxage", Whole(0, MOST)),
    ("audit-log-maxbackup", Whole(0, MOST)),
    ("audit-log-maxsize", Whole(0, MOST)),
    ("default-not-ready-toleration-seconds", Whole(0, MOST)),
    ("default-unreachable-toleration-seconds", Whole(0, MOST)),
    ("default-watch-cache-size", Whole(0, MOST)),
    ("delete-collection-workers", Whole(1, MOST)),
    ("enable-aggregator-routing", Bool),
    ("enable-bootstrap-token-auth", Bool),
    ("event-ttl", Duration),
    ("http2-max-streams-per-connection", Whole(0, MOST)),
    ("max-mutating-requests-inflight", Whole(0, MOST)),
    ("max-requests-inflight", Whole(0, MOST)),
    ("min-request-timeout", Whole(0, MOST)),
    ("request-timeout", Duration),
    ("service-account-lookup", Bool),
    ("shutdown-delay-duration", Duration),
    ("watch-cache", Bool),
    // Controller manager
    ("attach-detach-reconcile-sync-period", Duration),
    ("horizontal-pod-autoscaler-sync-period", Duration),
    ("large-cluster-size-threshold", Whole(0, MOST)),
    ("node-monitor-grace-period", Duration),
    ("node-monitor-period", Duration),
    ("pod-eviction-timeout", Duration),
    ("resource-quota-sync-period", Duration),
    ("terminated-pod-gc-threshold", Whole(0, MOST)),
    // kubelet
    ("container-log-max-files", Whole(2, MOST)),
    ("cpu-cfs-quota", Bool),
    ("event-burst", Whole(0, MOST)),
    ("event-qps", Whole(0, MOST)),
    ("eviction-max-pod-grace-period", Whole(0, MOST)),
    ("fail-swap-on", Bool),
    ("image-gc-high-threshold", Whole(0, 100)),
    ("image-gc-low-threshold", Whole(0, 100)),
    ("make-iptables-util-chains", Bool),
    ("max-open-files", Whole(1, i64::MAX)),
    ("max-pods", Whole(1, 4_000)),
    ("node-status-update-frequency", Duration),
    ("oom-score-adj", Whole(-1000, 1000)),
    ("pods-per-core", Whole(0, MOST)),
    ("protect-kernel-defaults", Bool),
    ("read-only-port", Whole(0, 65_535)),
    ("registry-burst", Whole(0, MOST)),
    ("registry-qps", Whole(0, MOST)),
    ("runtime-request-timeout", Duration),
    ("serialize-image-pulls", Bool),
    ("streaming-connection-idle-timeout", Duration),
    ("sync-frequency", Duration),
];

/// Arguments that hold the cluster together: kubeadm sets them, or a field or label does.
const OWN: &[&str] = &[
    "advertise-address",
    "allocate-node-cidrs",
    "authentication-kubeconfig",
    "authorization-kubeconfig",
    "bootstrap-kubeconfig",
    "cgroup-driver",
    "client-ca-file",
    "cluster-cidr",
    "cluster-dns",
    "cluster-signing-cert-file",
    "cluster-signing-key-file",
    "config",
    "container-runtime-endpoint",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-keyfile",
    "etcd-servers",
    "hostname-override",
    "kubeconfig",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "node-cidr-mask-size",
    "node-ip",
    "node-labels",
    "pod-manifest-path",
    "proxy-client-cert-file",
    "proxy-client-key-file",
    "register-with-taints",
    "requestheader-client-ca-file",
    "root-ca-file",
    "rotate-certificates",
    "secure-port",
    "service-account-key-file",
    "service-account-private-key-file",
    "service-account-signing-key-file",
    "service-cluster-ip-range",
    "tls-cert-file",
    "tls-private-key-file",
    "use-service-account-credentials",
];

/// Keeps kubelets from changing others' nodes; kubeadm has it until another list takes its place.
const NODE_RESTRICTION: &str = "NodeRestriction";
const ADMISSION: &str = "enable-admission-plugins";

/// Labels of OpenID Connect and the arguments that they stand for.
const OIDC: &[(&str, &str)] = &[
    ("oidc_issuer_url", "oidc-issuer-url"),
    ("oidc_client_id", "oidc-client-id"),
    ("oidc_username_claim", "oidc-username-claim"),
    ("oidc_username_prefix", "oidc-username-prefix"),
    ("oidc_groups_claim", "oidc-groups-claim"),
    ("oidc_groups_prefix", "oidc-groups-prefix"),
];

/// Labels of the audit log, the arguments that they stand for, and what holds without them.
const AUDIT: &[(&str, &str, u32)] = &[
    ("audit_log_maxage", "audit-log-maxage", 30),
    ("audit_log_maxbackup", "audit-log-maxbackup", 10),
    ("audit_log_maxsize", "audit-log-maxsize", 100),
];

/// Where the API server writes its audit log, and what it is told to write.
pub(crate) const AUDIT_DIRECTORY: &str = "/var/log/kubernetes/audit";
pub(crate) const AUDIT_POLICY: &str = "/etc/jeroboam/audit-policy.yaml";

impl Arguments {
    /// Reads and checks them.
    pub(crate) fn parse(ask: &Ask) -> Result<Self, Invalid> {
        let free = |key| label(ask, None, key, free).map(Option::unwrap_or_default);
        let mut all = Self {
            api_server: free("kubeapi_options")?,
            controller_manager: free("kubecontroller_options")?,
            scheduler: free("kubescheduler_options")?,
            kubelet: free("kubelet_options")?,
        };
        check_access(&all.api_server)?;
        for (label, name, value) in of_labels(ask)? {
            if all.api_server.iter().any(|(known, _)| *known == name) {
                let reason = format!("has --{name}, for which there is the label {label}");
                return Err(Invalid::new("labels.kubeapi_options", reason));
            }
            all.api_server.push((name, value));
        }
        if has_keystone_auth(ask)? {
            ask_the_webhook_last(&mut all.api_server)?;
        }
        for (_, plugins) in all.api_server.iter_mut().filter(|(name, _)| name == ADMISSION) {
            if !items(plugins).any(|plugin| plugin == NODE_RESTRICTION) {
                plugins.push(',');
                plugins.push_str(NODE_RESTRICTION);
            }
        }
        Ok(all)
    }

    /// Most pods of a node that a tenant asks for.
    pub(crate) fn max_pods(&self) -> Option<u64> {
        let mut all = self.kubelet.iter();
        all.find(|(name, _)| name == "max-pods")
            .and_then(|(_, value)| value.parse().ok())
    }
}

/// True for a cluster whose API server keeps an audit log.
pub(crate) fn audits(ask: &Ask) -> Result<bool, Invalid> {
    Ok(label(ask, None, "audit_log_enabled", read::boolean)?.unwrap_or(false))
}

/// Arguments of the API server that labels of their own stand for, each with its label.
fn of_labels(ask: &Ask) -> Result<Vec<(&'static str, String, String)>, Invalid> {
    let mut found = Vec::new();
    let mut add = |label: &'static str, name: &str, value: Option<String>| {
        found.extend(value.map(|value| (label, name.to_owned(), value)));
    };
    add(
        "admission_control_list",
        ADMISSION,
        label(ask, None, "admission_control_list", words)?.map(|plugins| plugins.join(",")),
    );
    add(
        "api_server_tls_cipher_suites",
        "tls-cipher-suites",
        label(ask, None, "api_server_tls_cipher_suites", words)?.map(|suites| suites.join(",")),
    );
    if let Some(issuer) = label(ask, None, OIDC[0].0, issuer)? {
        if label(ask, None, OIDC[1].0, plain)?.is_none() {
            let reason = format!("is needed with {}", OIDC[0].0);
            return Err(Invalid::new(format!("labels.{}", OIDC[1].0), reason));
        }
        add(OIDC[0].0, OIDC[0].1, Some(issuer));
        for (key, name) in &OIDC[1..] {
            add(key, name, label(ask, None, key, plain)?);
        }
    }
    if audits(ask)? {
        let key = "audit_log_enabled";
        add(
            key,
            "audit-log-path",
            Some(format!("{AUDIT_DIRECTORY}/audit.log")),
        );
        add(key, "audit-policy-file", Some(AUDIT_POLICY.to_owned()));
        for (key, name, usual) in AUDIT {
            let value = label(ask, None, key, values::whole)?.unwrap_or(*usual);
            add(key, name, Some(value.to_string()));
        }
    }
    if has_keystone_auth(ask)? {
        for (name, value) in webhook::ARGUMENTS {
            add(KEYSTONE_AUTH_LABEL, name, Some(value.to_owned()));
        }
    }
    Ok(found)
}

/// The webhook for Keystone decides what nothing else has allowed: what does not need it never waits for it.
fn ask_the_webhook_last(api_server: &mut Vec<(String, String)>) -> Result<(), Invalid> {
    let (mode, webhook) = ("authorization-mode", "Webhook");
    let Some((_, modes)) = api_server.iter_mut().find(|(name, _)| name == mode) else {
        api_server.push((mode.to_owned(), webhook::MODES.to_owned()));
        return Ok(());
    };
    if items(modes).any(|known| known == webhook) {
        let reason = format!("--{mode} must not name {webhook}: {KEYSTONE_AUTH_LABEL} puts it last");
        return Err(Invalid::new("labels.kubeapi_options", reason));
    }
    modes.push(',');
    modes.push_str(webhook);
    Ok(())
}

/// Nodes ask the API whether it is ready before they have a name there, and are let in as nodes.
fn check_access(api_server: &[(String, String)]) -> Result<(), Invalid> {
    let value = |name: &str| {
        api_server
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let refuse = |reason: &str| Err(Invalid::new("labels.kubeapi_options", reason));
    if value("anonymous-auth").is_some_and(|value| value != "true") {
        return refuse("--anonymous-auth must stay: nodes and load balancers ask whether the API is ready");
    }
    match value("authorization-mode") {
        Some(modes)
            if !["Node", "RBAC"]
                .iter()
                .all(|mode| items(modes).any(|known| known == *mode)) =>
        {
            refuse("--authorization-mode needs Node and RBAC, by which nodes join")
        }
        _ => Ok(()),
    }
}

/// Reads free arguments.
pub(crate) fn free(text: &str) -> Result<Vec<(String, String)>, String> {
    let all = values::arguments(text)?;
    for (place, (name, value)) in all.iter().enumerate() {
        if OWN.contains(&name.as_str()) {
            return Err(format!("--{name} holds the cluster together, and cannot be set"));
        }
        if all[..place].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("--{name} comes twice"));
        }
        let known = KNOWN
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, kind)| *kind);
        let syncs = name.starts_with("concurrent-") && name.ends_with("-syncs");
        let Some(kind) = known.or(syncs.then_some(Whole(1, MOST))) else {
            continue;
        };
        if !kind.takes(value) {
            return Err(format!("--{name}={value} is not {}", kind.words()));
        }
    }
    Ok(all)
}

impl Kind {
    fn takes(self, value: &str) -> bool {
        match self {
            // What Go's parser of flags takes.
            Bool => matches!(
                value,
                "true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "t" | "f" | "T" | "F" | "1" | "0"
            ),
            Whole(least, most) => value.parse().is_ok_and(|number| (least..=most).contains(&number)),
            Duration => is_duration(value),
        }
    }

    fn words(self) -> String {
        match self {
            Bool => "true or false".to_owned(),
            Whole(least, most) => format!("a whole number from {least} to {most}"),
            Duration => "a duration such as 1m30s".to_owned(),
        }
    }
}

/// Go's durations: numbers with units, at least one.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, unit) = rest.split_at(end);
        let known = ["ms", "us", "ns", "h", "m", "s"]
            .iter()
            .find(|known| unit.starts_with(**known));
        let (Ok(_), Some(known)) = (number.parse::<f64>(), known) else {
            return text == "0";
        };
        rest = &unit[known.len()..];
    }
    !text.is_empty()
}

/// Reads a comma list of words such as `LimitRanger` and `TLS_AES_128_GCM_SHA256`.
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let word = |item: &str| match item.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => Ok(item.to_owned()),
        false => Err(format!(
            "{item:?} is not a name of letters, digits and underscores"
        )),
    };
    let all: Vec<String> = items(text).map(word).collect::<Result<_, _>>()?;
    match all.is_empty() {
        true => Err("is empty".to_owned()),
        false => Ok(all),
    }
}

/// Reads an issuer of tokens.
pub(crate) fn issuer(text: &str) -> Result<String, String> {
    let text = text.trim();
    match read::is_url(text, &["https"]) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{text:?} is not a URL such as https://issuer.example.com"
        )),
    }
}

/// Reads a word that is an argument's value as it is.
pub(crate) fn plain(text: &str) -> Result<String, String> {
    let text = text.trim();
    match !text.is_empty() && text.len() <= 255 && read::is_plain(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a word without quotes and blanks")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::ask;

    fn with<const N: usize>(labels: [(&str, &str); N]) -> Result<Arguments, Invalid> {
        let mut ask = ask(1, 1);
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        ask.cluster.labels.0.extend(labels);
        Arguments::parse(&ask)
    }

    fn value<'a>(arguments: &'a [(String, String)], name: &str) -> &'a str {
        &arguments.iter().find(|(known, _)| known == name).unwrap().1
    }

    #[test]
    fn known_arguments_have_types_and_some_are_the_clusters_own() {
        for (key, good) in [
            (
                "kubelet_options",
                "--max-pods=50 --fail-swap-on=false --sync-frequency=1m30s --eviction-hard=memory.available<1Gi",
            ),
            (
                "kubecontroller_options",
                "--node-monitor-period=0 --concurrent-deployment-syncs=9",
            ),
            ("kubescheduler_options", "--profiling --v=4"),
            (
                "kubeapi_options",
                "--event-ttl=2h --authorization-mode=Node,RBAC --feature-gates=A=true",
            ),
        ] {
            with([(key, good)]).unwrap();
        }
        for (key, bad) in [
            ("kubelet_options", "--max-pods=many"),
            ("kubelet_options", "--max-pods=0"),
            ("kubelet_options", "--image-gc-high-threshold=101"),
            ("kubelet_options", "--sync-frequency=10"),
            ("kubelet_options", "--node-ip=10.0.0.1"),
            ("kubelet_options", "--fail-swap-on=no"),
            ("kubelet_options", "--v=1 --v=2"),
            ("kubecontroller_options", "--concurrent-deployment-syncs=x"),
            ("kubescheduler_options", "--leader-elect=maybe"),
            ("kubeapi_options", "--etcd-servers=http://x"),
            ("kubeapi_options", "--anonymous-auth=false"),
            ("kubeapi_options", "--authorization-mode=RBAC"),
        ] {
            assert_eq!(with([(key, bad)]).expect_err(bad).field, format!("labels.{key}"));
        }
    }

    #[test]
    fn the_webhook_for_keystone_is_asked_last() {
        let on = (KEYSTONE_AUTH_LABEL, "true");
        let modes = |labels: [(&str, &str); 2]| {
            with(labels).map(|all| value(&all.api_server, "authorization-mode").to_owned())
        };
        assert_eq!(modes([on, ("x", "")]).unwrap(), "Node,RBAC,Webhook");
        let given = modes([on, ("kubeapi_options", "--authorization-mode=RBAC,Node")]);
        assert_eq!(given.unwrap(), "RBAC,Node,Webhook");
        for refused in [
            "--authorization-mode=Webhook,Node,RBAC",
            "--authorization-webhook-config-file=/mine",
            "--authentication-token-webhook-version=v1",
        ] {
            let invalid = modes([on, ("kubeapi_options", refused)]).unwrap_err();
            assert_eq!(invalid.field, "labels.kubeapi_options");
            assert!(invalid.reason.contains(KEYSTONE_AUTH_LABEL), "{}", invalid.reason);
        }
        // Without the label a tenant's own webhook is a tenant's own.
        with([("kubeapi_options", "--authorization-webhook-config-file=/mine")]).unwrap();
    }

    #[test]
    fn labels_stand_for_arguments() {
        let all = with([
            ("admission_control_list", "LimitRanger, PodSecurity"),
            ("api_server_tls_cipher_suites", "TLS_AES_128_GCM_SHA256"),
            ("oidc_issuer_url", "https://issuer.example.com/realm"),
            ("oidc_client_id", "kubernetes"),
            ("oidc_username_prefix", "-"),
            ("audit_log_enabled", "true"),
            ("audit_log_maxage", "7"),
        ])
        .unwrap()
        .api_server;
        assert_eq!(value(&all, ADMISSION), "LimitRanger,PodSecurity,NodeRestriction");
        assert_eq!(value(&all, "tls-cipher-suites"), "TLS_AES_128_GCM_SHA256");
        assert_eq!(value(&all, "oidc-username-prefix"), "-");
        assert_eq!(
            (value(&all, "audit-log-maxage"), value(&all, "audit-log-maxsize")),
            ("7", "100")
        );
        assert_eq!(value(&all, "audit-policy-file"), AUDIT_POLICY);
        let all = with([(
            "kubeapi_options",
            "--enable-admission-plugins=NodeRestriction,LimitRanger",
        )])
        .unwrap();
        assert_eq!(value(&all.api_server, ADMISSION), "NodeRestriction,LimitRanger");
        for (labels, field) in [
            (
                [("admission_control_list", "a b"), ("x", "")],
                "admission_control_list",
            ),
            (
                [("oidc_issuer_url", "http://issuer"), ("oidc_client_id", "x")],
                "oidc_issuer_url",
            ),
            (
                [("oidc_issuer_url", "https://issuer"), ("x", "")],
                "oidc_client_id",
            ),
            (
                [("audit_log_enabled", "true"), ("audit_log_maxage", "-1")],
                "audit_log_maxage",
            ),
            (
                [
                    ("audit_log_enabled", "true"),
                    ("kubeapi_options", "--audit-log-path=-"),
                ],
                "kubeapi_options",
            ),
        ] {
            assert_eq!(with(labels).unwrap_err().field, format!("labels.{field}"));
        }
    }
}
