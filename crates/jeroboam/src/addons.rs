//! `jeroboam addons`: what clusters would be given.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, bail};
use jeroboam_addons::{
    AddOn, Catalogue, KeystonePolicy, ParameterKind, Selected, VARIABLES, Variables, Wish,
};
use jeroboam_config::Config;
use jeroboam_kubernetes::Sources;
use serde_json::json;

use crate::cli::{AddonsCommand, AddonsRender, Configuration};
use crate::{configuration, drivers, output};

/// Label with a registry for all images.
const IMAGE_PREFIX: &str = "container_infra_prefix";

/// The catalogue as configured.
///
/// # Errors
/// A catalogue that cannot be used, and a name of an add-on that is not in it.
pub fn catalogue(config: &Config) -> anyhow::Result<Catalogue> {
    let catalogue = match &config.addons.catalogue {
        Some(file) => Catalogue::load(file),
        None => Catalogue::shipped(),
    };
    let catalogue = catalogue.context("[addons] catalogue")?;
    let checked = catalogue.check_enabled(&config.addons.enabled);
    checked.map_err(anyhow::Error::msg).context("[addons] enabled")?;
    Ok(catalogue)
}

/// Runs a subcommand.
pub async fn run(arguments: &Configuration, command: AddonsCommand) -> anyhow::Result<()> {
    let config = configuration::load(arguments)?;
    let catalogue = catalogue(&config)?;
    let sources = Sources::new(&config.addons.helm);
    match command {
        AddonsCommand::List => output::text(&list(&catalogue, &sources, &config.addons.enabled)),
        AddonsCommand::Show { name } => match catalogue.find(&name) {
            Some(add_on) => output::text(&show(add_on, &sources, &config.addons.enabled)),
            None => bail!("there is no add-on {name:?}"),
        },
        AddonsCommand::Render(arguments) => {
            let policy = drivers::keystone_policy(&config)?;
            let documents = render(&catalogue, &sources, &policy, &config.addons.enabled, &arguments).await?;
            output::text(&documents)
        }
    }
}

/// Add-ons that clusters may ask for, or have without asking, and that nobody can render here.
pub fn warnings(config: &Config) -> anyhow::Result<Vec<String>> {
    let catalogue = catalogue(config)?;
    let Err(reason) = Sources::new(&config.addons.helm).find_helm() else {
        return Ok(Vec::new());
    };
    let allowed = &config.cluster_template.kubernetes_allowed_network_drivers;
    let is_offered = |add_on: &&AddOn| match &add_on.network_driver {
        Some(driver) => allowed.iter().any(|name| name == "all" || name == driver),
        None => true,
    };
    let charts = catalogue.iter().filter(|add_on| add_on.has_charts());
    let warnings = charts
        .filter(is_offered)
        .map(|add_on| format!("add-on {} is a chart, and {reason}", add_on.name));
    Ok(warnings.collect())
}

/// What a chart needs, and whether it is there.
fn chart(add_on: &AddOn, sources: &Sources) -> Option<String> {
    add_on.has_charts().then(|| match sources.find_helm() {
        Ok(()) => "rendered by helm".to_owned(),
        Err(reason) => format!("cannot be had: it is a chart, and {reason}"),
    })
}

fn list(catalogue: &Catalogue, sources: &Sources, enabled: &[String]) -> String {
    let mut text = String::new();
    for add_on in catalogue.iter() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}: {}\n  {}",
            add_on.name,
            add_on.summary,
            switch(add_on, enabled)
        );
        let versions = add_on
            .versions
            .iter()
            .map(|one| format!("{} (1.{})", one.version, one.minor));
        let versions: Vec<String> = versions.collect();
        let _ = writeln!(
            text,
            "  versions, and from which Kubernetes on: {}",
            versions.join(", ")
        );
        if let Some(chart) = chart(add_on, sources) {
            let _ = writeln!(text, "  {chart}");
        }
    }
    text
}

/// What switches an add-on on.
fn switch(add_on: &AddOn, enabled: &[String]) -> String {
    if let Some(driver) = &add_on.network_driver {
        return format!("on with network_driver {driver}");
    }
    let state = match add_on.default || enabled.contains(&add_on.name) {
        true => "on",
        false => "off",
    };
    match &add_on.label {
        Some(label) => format!("{state} without the label {label}"),
        None => format!("{state}, and no label changes that"),
    }
}

fn show(add_on: &AddOn, sources: &Sources, enabled: &[String]) -> String {
    let mut text = format!(
        "{}: {}\n{}\n",
        add_on.name,
        add_on.summary,
        switch(add_on, enabled)
    );
    if !add_on.needs.is_empty() {
        let _ = writeln!(text, "needs {}", add_on.needs.join(", "));
    }
    if add_on.needs_cloud {
        let _ = writeln!(text, "logs in to the cloud");
    }
    if add_on.autoscales {
        let _ = writeln!(text, "asks this service for nodes ([bootstrap] url)");
    }
    if let Some(chart) = chart(add_on, sources) {
        let _ = writeln!(text, "{chart}");
    }
    for version in &add_on.versions {
        let _ = writeln!(text, "Kubernetes 1.{}: {}", version.minor, version.version);
    }
    if let Some(label) = &add_on.version_label {
        let _ = writeln!(text, "label {label}: another version");
    }
    for parameter in &add_on.parameters {
        let values = match &parameter.kind {
            ParameterKind::Text => "text".to_owned(),
            ParameterKind::Bool => "true or false".to_owned(),
            ParameterKind::Tag => "tag of an image".to_owned(),
            ParameterKind::Choice(words) => words.join(", "),
        };
        let default = match &parameter.default {
            Some(default) => format!("; default {default}"),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "label {} ({values}{default}): {}",
            parameter.label, parameter.description
        );
    }
    text
}

async fn render(
    catalogue: &Catalogue,
    sources: &Sources,
    policy: &KeystonePolicy,
    enabled: &[String],
    arguments: &AddonsRender,
) -> anyhow::Result<String> {
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    for label in &arguments.label {
        let (name, value) = label
            .split_once('=')
            .with_context(|| format!("{label:?} is not NAME=VALUE"))?;
        labels.insert(name.trim(), value.trim());
    }
    let wish = Wish {
        minor: minor(&arguments.kube_version)?,
        network_driver: arguments.network_driver.as_deref(),
        enabled,
        label: &|name| labels.get(name).copied(),
    };
    let selected = catalogue.select(&wish)?;
    let chosen = |selected: &&Selected<'_>| {
        let name = arguments.name.as_ref();
        name.is_none_or(|name| *name == selected.add_on.name)
    };
    let selected: Vec<&Selected<'_>> = selected.iter().filter(chosen).collect();
    if let (Some(name), true) = (&arguments.name, selected.is_empty()) {
        bail!("add-on {name} is not on with these labels");
    }
    let prefix = labels
        .get(IMAGE_PREFIX)
        .copied()
        .filter(|prefix| !prefix.is_empty());
    let mut text = String::new();
    for selected in selected {
        let _ = writeln!(text, "# {} {}", selected.add_on.name, selected.version);
        let given = placeholders(&arguments.kube_version, policy);
        let texts = sources.of(selected, &given).await?;
        let objects = selected.render(&given, prefix, &texts)?;
        text.push_str(&objects.documents());
    }
    Ok(text)
}

/// Words for what only a cluster knows.
fn placeholders(kube_version: &str, policy: &KeystonePolicy) -> Variables {
    let words = VARIABLES
        .iter()
        .map(|name| ((*name).to_owned(), json!(format!("<{name}>"))));
    let mut variables: Variables = words.collect();
    variables.insert("kubernetes_version".to_owned(), json!(kube_version));
    variables.insert("node_prefix_len".to_owned(), json!(24));
    variables.insert(
        "master_label".to_owned(),
        json!("node-role.kubernetes.io/control-plane"),
    );
    variables.insert(
        "keystone_auth_policy".to_owned(),
        json!(policy.of_project("<project_id>")),
    );
    let class = json!([{"name": "cinder-<volume type>", "type": "<volume type>", "default": "false"}]);
    variables.insert("volume_types".to_owned(), class);
    variables
}

/// Minor version: 31 of `v1.31.2`.
fn minor(text: &str) -> anyhow::Result<u32> {
    let mut parts = text.trim_start_matches('v').split('.');
    match (parts.next(), parts.next().and_then(|part| part.parse().ok())) {
        (Some("1"), Some(minor)) => Ok(minor),
        _ => bail!("{text:?} is not a version of Kubernetes such as v1.31.2"),
    }
}
