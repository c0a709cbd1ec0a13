//! What the demo shows: a line for each step when it is done, and on a terminal the present state below.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::demo::api::Tenant;

/// Writes to standard output: text, or JSON lines.
pub struct Reporter {
    json: bool,
    terminal: bool,
    /// Length of the state line that stands on the terminal now.
    shown: Mutex<usize>,
}

impl Reporter {
    /// For people or for scripts.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            terminal: !json && std::io::stdout().is_terminal(),
            shown: Mutex::new(0),
        }
    }

    /// Something that happened: a text for people, or data for scripts.
    pub fn event(&self, kind: &str, text: &str, data: Value) {
        if self.json {
            self.write(&format!("{}\n", json!({"event": kind, "data": data})));
        } else {
            self.write(&format!("{}{text}\n", self.erase()));
        }
    }

    /// A note.
    pub fn note(&self, text: &str) {
        self.event("note", text, json!({"text": text}));
    }

    /// The present state, on a terminal only.
    fn state(&self, text: &str) {
        if self.terminal {
            let text: String = text.chars().take(100).collect();
            let line = format!("{}{text}", self.erase());
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = text.chars().count();
            self.write(&line);
        }
    }

    fn erase(&self) -> String {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let erase = if *shown > 0 { "\r\x1b[2K" } else { "" };
        *shown = 0;
        erase.to_owned()
    }

    fn write(&self, text: &str) {
        // A reader that went away is no reason to leave machines behind.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Shows the steps of a cluster until it has settled; gives the cluster.
pub async fn follow(
    reporter: &Reporter,
    tenant: &Tenant,
    cluster: &str,
    patience: Duration,
) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let mut done = BTreeSet::new();
    loop {
        // The cluster first: its steps are complete when it is.
        let shown = tenant.cluster(cluster).await?;
        let steps = tenant.steps(cluster).await?;
        let steps = steps["steps"].as_array().cloned().unwrap_or_default();
        for step in &steps {
            report(reporter, step, &mut done);
        }
        if shown["status"] != "CREATE_IN_PROGRESS" {
            reporter.state("");
            return Ok(shown);
        }
        if begun.elapsed() > patience {
            bail!("the cluster is not done after {} s", patience.as_secs());
        }
        reporter.state(&waiting(&steps, begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn report(reporter: &Reporter, step: &Value, done: &mut BTreeSet<String>) {
    let resource = step["resource"].as_str().unwrap_or_default();
    let state = step["state"].as_str().unwrap_or_default();
    if !matches!(state, "ready" | "failed") || !done.insert(format!("{resource} {state}")) {
        return;
    }
    let seconds = duration(step);
    let line = match step["fault"].as_str().filter(|_| state == "failed") {
        Some(fault) => format!("  {resource:<32} failed: {fault}"),
        None => format!("  {resource:<32} {seconds:>6.1} s"),
    };
    reporter.event(
        "step",
        &line,
        json!({"resource": resource, "state": state, "seconds": seconds}),
    );
}

/// Seconds from the start of a step to its end.
fn duration(step: &Value) -> f64 {
    let moment = |name: &str| chrono::DateTime::parse_from_rfc3339(step[name].as_str()?).ok();
    match (moment("started_at"), moment("finished_at")) {
        (Some(start), Some(end)) => (end - start).as_seconds_f64(),
        _ => 0.0,
    }
}

fn waiting(steps: &[Value], elapsed: Duration) -> String {
    let open: Vec<String> = steps
        .iter()
        .filter(|step| matches!(step["state"].as_str(), Some("intended" | "made")))
        .map(|step| {
            let resource = step["resource"].as_str().unwrap_or_default();
            step["seen"]
                .as_str()
                .map_or_else(|| resource.to_owned(), |seen| format!("{resource} ({seen})"))
        })
        .collect();
    format!("  {:>4.0} s  {}", elapsed.as_secs_f64(), open.join(", "))
}
