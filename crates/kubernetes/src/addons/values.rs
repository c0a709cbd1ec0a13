//! What templates are filled with.

use jeroboam_addons::{Selected, Variables, digest};
use jeroboam_blueprint::graph::inner_address;
use jeroboam_driver::{AddOnAsk, Ask, CloudAccess, CloudLogin, Key};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::AddOnSettings;
use crate::options::Options;

/// Volume type that Cinder has of itself, for volumes that name none.
const CINDER_DEFAULT: &str = "__DEFAULT__";

/// Values that follow from what is asked alone.
pub(crate) fn fixed(ask: &Ask, options: &Options) -> Variables {
    let resolved = &ask.resolved;
    let texts = [
        ("cluster_uuid", json!(ask.cluster.uuid.to_string())),
        ("cluster_name", json!(ask.cluster.name.as_str())),
        ("project_id", json!(ask.cluster.project_id.as_str())),
        ("pods", json!(options.pods.pool.to_string())),
        ("services", json!(options.service_range.to_string())),
        ("dns", json!(options.dns_address())),
        ("api_port", json!(options.api_port.to_string())),
        ("master_label", json!("node-role.kubernetes.io/control-plane")),
        ("floating_network_id", json!(resolved.external_network_id)),
        ("image_prefix", json!(options.image_repository)),
        ("lb_provider", json!(options.network.clients.provider)),
        ("lb_method", json!(options.network.clients.algorithm)),
        ("lb_monitor", json!(options.network.clients.monitor)),
    ];
    texts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Values that make another revision only of those add-ons that name them.
pub(crate) fn named(
    selected: &Selected<'_>,
    ask: &Ask,
    options: &Options,
    settings: &AddOnSettings,
) -> Variables {
    let project = ask.cluster.project_id.as_str();
    let all = [
        ("cloud_authority", json!(settings.cloud_authority)),
        (
            "keystone_auth_policy",
            json!(settings.keystone_auth_policy.of_project(project)),
        ),
        ("node_prefix_len", json!(options.pods.node_prefix_len)),
        // What a chart makes may depend on it, and not by a place.
        (
            "kubernetes_version",
            json!(super::version(ask).ok().map(|version| version.to_string())),
        ),
    ];
    let named = all.into_iter().filter(|(name, value)| {
        let is_named = match *name {
            "kubernetes_version" => selected.has_charts(),
            name => selected.names(name),
        };
        is_named && !value.is_null()
    });
    named.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// All values.
///
/// # Errors
/// What is missing.
pub(crate) fn all(
    asked: &AddOnAsk<'_>,
    options: &Options,
    settings: &AddOnSettings,
) -> Result<Variables, String> {
    let (ask, made) = (asked.ask, asked.made);
    let mut values = fixed(ask, options);
    let mut put = |name: &str, value: Value| drop(values.insert(name.to_owned(), value));
    let version = super::version(ask).map_err(|invalid| invalid.to_string())?;
    put("kubernetes_version", json!(version.to_string()));
    let api_host = inner_address(ask, &options.network).and_then(|(key, name)| made.fact(&key, name));
    put(
        "api_host",
        json!(api_host.ok_or("the address of the API is not known")?),
    );
    let made_id = |kind: &str| made.0.get(&Key::new(kind, "main")).map(|made| made.id.clone());
    let resolved = &ask.resolved;
    put(
        "network_id",
        json!(resolved.fixed_network_id.clone().or_else(|| made_id("network"))),
    );
    // A given network is known by its id alone.
    let network_name = made_id("network").map(|_| ask.cloud_name(&Key::new("network", "main")));
    put("network_name", json!(network_name));
    put(
        "subnet_id",
        json!(resolved.fixed_subnet_id.clone().or_else(|| made_id("subnet"))),
    );
    put("node_prefix_len", json!(options.pods.node_prefix_len));
    put("cloud_authority", json!(settings.cloud_authority));
    let policy = settings
        .keystone_auth_policy
        .of_project(ask.cluster.project_id.as_str());
    put("keystone_auth_policy", json!(policy));
    put("auth_url", json!(asked.auth_url.map(of_third_version)));
    put("revision", json!(asked.revision));
    match asked.cloud {
        Some(cloud) => {
            put("cloud_login", json!(login(cloud, settings)));
            put("credential", json!(asked.revision));
            put("volume_types", volume_types(&cloud.volume_types));
        }
        None => {
            for name in ["cloud_login", "credential", "volume_types"] {
                put(name, Value::Null);
            }
        }
    }
    let service = asked.service;
    for (name, value) in [
        ("service_address", service.map(|service| service.address.clone())),
        (
            "service_authority",
            service.map(|service| service.authority.clone()),
        ),
        (
            "service_certificate",
            service.map(|service| service.client.certificate.clone()),
        ),
        (
            "service_key",
            service.map(|service| service.client.key.expose_secret().to_owned()),
        ),
        // The certificate alone: its key is no other than that of the same certificate before.
        (
            "service_credential",
            service.map(|service| {
                let shown = format!("{}{}", service.client.certificate, service.authority);
                digest(shown.as_bytes()).chars().take(16).collect()
            }),
        ),
    ] {
        put(name, json!(value));
    }
    Ok(values)
}

/// Keystone's address with the version of its API that everybody speaks.
fn of_third_version(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url.rsplit('/').next() {
        Some("v3") => url.to_owned(),
        _ => format!("{url}/v3"),
    }
}

/// The section `[Global]` of cloud.conf. It holds a secret.
fn login(cloud: &CloudAccess, settings: &AddOnSettings) -> String {
    let url = of_third_version(&cloud.auth_url);
    let mut lines = vec!["[Global]".to_owned()];
    let mut put = |name: &str, value: &str| lines.push(format!("{name} = {}", quoted(value)));
    put("auth-url", &url);
    match &cloud.login {
        CloudLogin::Application { id, secret } => {
            put("application-credential-id", id);
            put("application-credential-secret", secret.expose_secret());
        }
        CloudLogin::Trust {
            user_id,
            password,
            trust_id,
        } => {
            put("user-id", user_id);
            put("password", password.expose_secret());
            put("trust-id", trust_id);
        }
    }
    if let Some(region) = &cloud.region {
        put("region", region);
    }
    if !settings.verify_cloud {
        lines.push("tls-insecure = true".to_owned());
    } else if settings.cloud_authority.is_some() {
        put("ca-file", "/etc/config/ca.pem");
    }
    lines.join("\n")
}

/// A value as the configuration files of cloud-provider-openstack have it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A StorageClass of Cinder's own default, and one for each volume type, by names that Kubernetes takes.
fn volume_types(types: &[String]) -> Value {
    let mut names = vec!["cinder".to_owned()];
    let mut items = vec![json!({"name": "cinder", "type": null, "default": "true"})];
    for volume_type in types.iter().filter(|name| *name != CINDER_DEFAULT) {
        let plain: String = volume_type
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let stem: String = format!("cinder-{plain}").chars().take(240).collect();
        let stem = stem.trim_matches('-').to_owned();
        let taken = |name: &String| names.contains(name);
        let name = match taken(&stem) {
            false => stem,
            true => {
                let mut numbered = (2..).map(|number| format!("{stem}-{number}"));
                numbered.find(|name| !taken(name)).unwrap_or(stem)
            }
        };
        items.push(json!({"name": name, "type": volume_type, "default": "false"}));
        names.push(name);
    }
    json!(items)
}

#[cfg(test)]
mod tests {
    use jeroboam_addons::KeystonePolicy;

    use super::*;

    #[test]
    fn each_volume_type_has_a_class_with_a_name_of_its_own() {
        let types = ["__DEFAULT__", "Fast SSD", "fast-ssd", "ssd"].map(str::to_owned);
        let classes = volume_types(&types);
        let names: Vec<&str> = classes
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["cinder", "cinder-fast-ssd", "cinder-fast-ssd-2", "cinder-ssd"]
        );
        assert_eq!(classes[1]["type"], "Fast SSD");
    }

    #[test]
    fn a_login_is_written_so_that_no_value_ends_its_line() {
        let settings = AddOnSettings {
            catalogue: jeroboam_addons::Catalogue::empty(),
            helm: "helm".into(),
            cloud_authority: Some("PEM".into()),
            verify_cloud: true,
            has_endpoint: true,
            keystone_auth_policy: KeystonePolicy::default(),
        };
        let cloud = CloudAccess {
            auth_url: "https://keystone.example:5000/".into(),
            region: Some("a\"b".into()),
            login: CloudLogin::Application {
                id: "id".into(),
                secret: "secret".to_owned().into(),
            },
            volume_types: vec![],
        };
        assert_eq!(
            login(&cloud, &settings),
            "[Global]\nauth-url = \"https://keystone.example:5000/v3\"\napplication-credential-id = \"id\"\n\
             application-credential-secret = \"secret\"\nregion = \"a\\\"b\"\nca-file = \"/etc/config/ca.pem\""
        );
    }
}
