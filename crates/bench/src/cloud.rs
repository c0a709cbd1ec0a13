//! The cloud that the services stand on: a running OpenStack, or the simulator.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::process::{Process, free_port};

/// A cloud and the tenant who calls.
pub struct Cloud {
    /// Keystone's URL, with `/v3`.
    pub auth_url: String,
    /// What the table calls it.
    pub name: String,
    /// Region of the catalog's endpoints.
    pub region: String,
    /// Password of the service's users.
    pub service_password: String,
    /// The tenant.
    pub caller: Caller,
    /// The simulator.
    simulator: Option<Process>,
}

/// A tenant with a token.
pub struct Caller {
    /// The token.
    pub token: String,
    /// Project of the token.
    pub project: String,
    /// User of the token.
    pub user: String,
}

impl Cloud {
    /// True for the simulator.
    pub fn is_simulated(&self) -> bool {
        self.simulator.is_some()
    }

    /// Starts the simulator.
    pub async fn simulated(jeroboam: &Path, directory: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(jeroboam);
        command
            .args(["simcloud", "--roomy", "--listen"])
            .arg(format!("127.0.0.1:{port}"));
        let mut process = Process::start("simcloud", directory, &mut command)?;
        let auth_url = format!("http://127.0.0.1:{port}/identity/v3");
        process.wait_http(&auth_url).await?;
        let caller = log_in(&auth_url, ["demo", "secret", "demo"]).await?;
        Ok(Self {
            auth_url,
            name: "Jeroboam's simulator".to_owned(),
            region: "RegionOne".to_owned(),
            service_password: "secret".to_owned(),
            caller,
            simulator: Some(process),
        })
    }

    /// Uses a running OpenStack as the client of an environment file.
    pub async fn running(openrc: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(openrc).with_context(|| format!("cannot read {}", openrc.display()))?;
        let variables: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("export ").split_once('='))
            .map(|(name, value)| (name, value.trim_matches(['\'', '"'])))
            .collect();
        let variable = |name: &str| {
            let value = variables.get(name).map(|value| (*value).to_owned());
            value.with_context(|| format!("{} does not set {name}", openrc.display()))
        };
        let mut auth_url = variable("OS_AUTH_URL")?.trim_end_matches('/').to_owned();
        if !auth_url.ends_with("/v3") {
            auth_url.push_str("/v3");
        }
        let (user, password) = (variable("OS_USERNAME")?, variable("OS_PASSWORD")?);
        let caller = log_in(&auth_url, [&user, &password, &variable("OS_PROJECT_NAME")?]).await?;
        Ok(Self {
            auth_url,
            name: "a real Keystone, Nova, Glance and Neutron".to_owned(),
            region: variable("OS_REGION_NAME").unwrap_or_else(|_| "RegionOne".to_owned()),
            service_password: variable("JEROBOAM_SERVICE_PASSWORD").unwrap_or(password),
            caller,
            simulator: None,
        })
    }
}

async fn log_in(auth_url: &str, [user, password, project]: [&str; 3]) -> anyhow::Result<Caller> {
    let body = json!({"auth": {
        "identity": {"methods": ["password"], "password": {
            "user": {"name": user, "domain": {"id": "default"}, "password": password},
        }},
        "scope": {"project": {"name": project, "domain": {"id": "default"}}},
    }});
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client
        .post(format!("{auth_url}/auth/tokens"))
        .json(&body)
        .send()
        .await?;
    if !answer.status().is_success() {
        bail!(
            "cannot log in to Keystone at {auth_url} as {user}: {}",
            answer.status()
        );
    }
    let token = answer
        .headers()
        .get("x-subject-token")
        .and_then(|value| value.to_str().ok());
    let token = token.context("Keystone gave no token")?.to_owned();
    let body: Value = answer.json().await?;
    let id = |pointer: &str| {
        let id = body.pointer(pointer).and_then(Value::as_str);
        id.map(str::to_owned)
            .with_context(|| format!("the token has no {pointer}"))
    };
    Ok(Caller {
        token,
        project: id("/token/project/id")?,
        user: id("/token/user/id")?,
    })
}
