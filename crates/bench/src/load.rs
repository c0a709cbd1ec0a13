//! wrk, and what it says.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::cases::{Case, new_template};
use crate::process::Process;
use crate::service::Server;

/// Figures of one run.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Answers per second.
    pub rate: f64,
    /// Half of the answers took at most this many milliseconds.
    pub p50_ms: f64,
    /// So did 99 of 100.
    pub p99_ms: f64,
    /// Answers.
    pub count: u64,
    /// Requests that failed, or were answered with another status than 2xx.
    pub errors: u64,
}

/// Longest run against a slow server.
const LONGEST: f64 = 45.0;

const REPORT: &str = r#"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %d %d %.0f %.0f %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.status + e.connect + e.read + e.write + e.timeout))
end
"#;

/// Loads a server with a number of connections.
pub async fn measure(
    directory: &Path,
    server: &Server,
    case: &Case,
    token: &str,
    connections: u32,
    seconds: u32,
) -> anyhow::Result<Figures> {
    let first = once(server, case, token).await?;
    // Three rounds of all connections, if two requests are answered at a time.
    let wanted = first.as_secs_f64() * f64::from(connections) * 1.5;
    let seconds = f64::from(seconds).max(wanted.min(LONGEST)).ceil();
    let script = directory.join("load.lua");
    let mut text = String::from(REPORT);
    if case.creates {
        let body = new_template(server.coe, server.image);
        text.push_str(&format!("wrk.method = \"POST\"\nwrk.body = [==[{body}]==]\n"));
    }
    std::fs::write(&script, text)?;
    let output = tokio::process::Command::new("wrk")
        .args(["--threads", "1", "--timeout", "120s", "--connections"])
        .arg(connections.to_string())
        .arg(format!("--duration={seconds}s"))
        .arg("--script")
        .arg(&script)
        .args(["--header", &format!("X-Auth-Token: {token}")])
        .args([
            "--header",
            "Accept: application/json",
            "--header",
            "Content-Type: application/json",
        ])
        .arg(format!("{}{}", server.base, case.path))
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start wrk: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text.lines().find_map(|line| line.strip_prefix("FIGURES "));
    let Some(figures) = figures else {
        bail!(
            "wrk said nothing: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let numbers: Vec<f64> = figures.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [requests, micros, p50, p99, errors] = numbers[..] else {
        bail!("wrk said {figures}");
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of requests, which wrk writes as whole numbers"
    )]
    Ok(Figures {
        rate: requests * 1e6 / micros,
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
        count: requests as u64,
        errors: errors as u64,
    })
}

/// One request, which must succeed; how long it took.
async fn once(server: &Server, case: &Case, token: &str) -> anyhow::Result<Duration> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()?;
    let url = format!("{}{}", server.base, case.path);
    let request = match case.creates {
        true => client
            .post(url)
            .header("content-type", "application/json")
            .body(new_template(server.coe, server.image)),
        false => client.get(url),
    };
    let started = Instant::now();
    let answer = request.header("x-auth-token", token).send().await?;
    let status = answer.status();
    let body = answer.text().await?;
    if !status.is_success() {
        let name = (server.name, case.name);
        bail!("{name:?}: {status} {body}\n{}", server.process.last_lines());
    }
    Ok(started.elapsed())
}

/// Waits until a program has ended what was left over for it to do.
pub async fn settle(process: &Process) {
    const LOOK: Duration = Duration::from_millis(250);
    for _ in 0..240 {
        let before = process.cpu_seconds();
        tokio::time::sleep(LOOK).await;
        if process.cpu_seconds() - before < 0.1 * LOOK.as_secs_f64() {
            return;
        }
    }
}
