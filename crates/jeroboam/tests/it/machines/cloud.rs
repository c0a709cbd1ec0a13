//! A cloud with machines, the service beside it, and a tenant.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::rig::{PROGRAM, http};

/// Nothing here takes longer, on two busy cores.
const PATIENCE: Duration = Duration::from_secs(400);

/// A cloud with machines and the service beside it, and a tenant.
pub struct Cloud {
    /// Ended with the test, however that ends: its machines would stay.
    process: Child,
    client: Client,
    token: String,
    base: String,
    magnum: String,
    log: String,
    _directory: tempfile::TempDir,
}

impl Cloud {
    /// The service looks often, and gives lost and late nodes little time. The arguments are of the demo.
    pub async fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let mut process = Command::new(PROGRAM)
            .args([
                "demo",
                "--empty",
                "--json",
                "--port",
                "0",
                "--cloud-port",
                "0",
                "--state-dir",
            ])
            .arg(directory.path().join("demo"))
            .args(arguments)
            .env("OS_KUBERNETES__HEALTH_POLLING_INTERVAL", "2")
            .env("OS_ENGINE__HEAL_AFTER_SECS", "5")
            .env("OS_ENGINE__DIAGNOSE_AFTER_SECS", "5")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let facts = events
            .find(|event| event["event"] == "next")
            .expect("the cloud runs")["data"]
            .clone();
        let text = |name: &str| facts[name].as_str().unwrap().to_owned();
        let openrc = std::fs::read_to_string(text("openrc")).unwrap();
        let auth_url = openrc
            .lines()
            .find_map(|line| line.strip_prefix("export OS_AUTH_URL="))
            .unwrap();
        let client = http();
        let domain = json!({"id": "default"});
        let login = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": "demo", "domain": domain, "password": "secret"}}},
            "scope": {"project": {"name": "demo", "domain": domain}},
        }});
        let answer = client
            .post(format!("{auth_url}/auth/tokens"))
            .json(&login)
            .send()
            .await
            .unwrap();
        let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        Self {
            process,
            client,
            token,
            base: auth_url.replace("/identity/v3", ""),
            magnum: text("magnum_url"),
            log: text("log"),
            _directory: directory,
        }
    }

    pub async fn call(&self, method: Method, url: String, body: Option<Value>) -> Value {
        let mut call = self
            .client
            .request(method, &url)
            .header("X-Auth-Token", &self.token);
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call
            .header("OpenStack-API-Version", "container-infra latest")
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{url}: {}",
            answer.text().await.unwrap()
        );
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null)
    }

    /// The cluster once it is as wanted.
    pub async fn until(&self, uuid: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let shown = self
                .call(Method::GET, format!("{}/v1/clusters/{uuid}", self.magnum), None)
                .await;
            if is_so(&shown) {
                return shown;
            }
            if begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("never {what}: {shown:#}\nthe service's log:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Creates a cluster of a new template; gives its UUID.
    pub async fn create(&self, template: Value, wish: Value) -> String {
        let (url, mut wish) = (format!("{}/v1", self.magnum), wish);
        let template = self
            .call(Method::POST, format!("{url}/clustertemplates"), Some(template))
            .await;
        wish["cluster_template_id"] = template["uuid"].clone();
        let cluster = self
            .call(Method::POST, format!("{url}/clusters"), Some(wish))
            .await;
        cluster["uuid"].as_str().unwrap().to_owned()
    }

    /// Deletes a cluster and stops; then nothing may be left in the cloud.
    pub async fn delete_and_stop(mut self, uuid: &str) {
        let clusters = format!("{}/v1/clusters", self.magnum);
        self.call(Method::DELETE, format!("{clusters}/{uuid}"), None)
            .await;
        let begun = Instant::now();
        while !self.call(Method::GET, clusters.clone(), None).await["clusters"]
            .as_array()
            .unwrap()
            .is_empty()
        {
            assert!(begun.elapsed() < PATIENCE, "it is never gone");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let usage = self
            .call(Method::GET, format!("{}/_sim/usage", self.base), None)
            .await;
        assert_eq!(usage["items"], json!([]), "{usage:#}");
        assert!(self.end(), "the cloud and the service did not end well");
    }

    /// Ids of the servers by the names of the nodes.
    pub async fn servers(&self) -> BTreeMap<String, String> {
        let listed = self
            .call(
                Method::GET,
                format!("{}/compute/v2.1/servers/detail", self.base),
                None,
            )
            .await;
        let servers = listed["servers"].as_array().unwrap().iter().map(|server| {
            let name = server["name"].as_str().unwrap().splitn(3, '-').last().unwrap();
            (name.to_owned(), server["id"].as_str().unwrap().to_owned())
        });
        servers.collect()
    }

    /// Ends every process of a machine at once.
    pub async fn power_cut(&self, server: &str) {
        let url = format!("{}/_sim/servers/{server}/power-cut", self.base);
        self.call(Method::POST, url, None).await;
    }

    /// Asks everything to end; gives whether it ended well.
    fn end(&mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok()
            && self.process.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.end();
        }
    }
}
