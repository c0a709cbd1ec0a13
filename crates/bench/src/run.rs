//! A run: everything started, filled, measured and written down.

use std::fmt::Write as _;

use anyhow::Context as _;

use crate::Options;
use crate::cases::{self, Case};
use crate::cloud::Cloud;
use crate::load::{Figures, measure, settle};
use crate::magnum::Magnum;
use crate::mariadb::MariaDb;
use crate::report::{Row, misses, table};
use crate::seed::{self, Seed};
use crate::service::{self, Server};

/// Turns of Jeroboam and of the bare handler for each figure, so that what else the machine does at a moment decides nothing.
const TURNS: usize = 3;

/// Measures the API.
pub async fn api(options: Options) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("jeroboam-bench-").tempdir()?;
    // MariaDB's user must reach its files.
    std::fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    let place = directory.path();
    eprintln!("starting MariaDB and the cloud");
    let mariadb = MariaDb::start(place).await?;
    let cloud = match &options.openrc {
        Some(openrc) => Cloud::running(openrc).await?,
        None => Cloud::simulated(&options.jeroboam, place).await?,
    };
    let own = mariadb.create("jeroboam").await?;
    eprintln!("starting Jeroboam and the bare handler");
    let jeroboam = service::jeroboam(
        &options.jeroboam,
        place,
        &cloud,
        &mariadb.url("mysql+pymysql", "jeroboam"),
    )
    .await
    .with_context(|| mariadb.last_lines())?;
    let seed = |coe| Seed {
        project: cloud.caller.project.clone(),
        user: cloud.caller.user.clone(),
        coe,
        templates: options.templates,
        clusters: options.clusters,
    };
    seed::fill(&own, &seed(jeroboam.coe)).await?;
    let bare = service::bare(place, &cloud.caller.project, &mariadb.url("mysql", "jeroboam")).await?;
    let mut magnum = None;
    if let Some(venv) = &options.magnum {
        eprintln!("starting Magnum");
        let other = mariadb.create("magnum").await?;
        let prepared = Magnum::prepare(venv, place, &cloud, &mariadb.url("mysql+pymysql", "magnum")).await?;
        let server = prepared
            .start(place)
            .await
            .with_context(|| prepared.last_lines())?;
        seed::fill(&other, &seed(server.coe)).await?;
        magnum = Some((prepared, server, other));
    }
    let fresh = memory(&jeroboam, magnum.as_ref().map(|(_, server, _)| server));

    let mut rows = Vec::new();
    let cases = cases::all();
    let cases = cases.iter().filter(|case| {
        let only = options.only.as_deref();
        only.is_none_or(|only| case.name.contains(only))
    });
    for case in cases {
        for connections in options.connections.iter().copied() {
            let figures = async |server: &Server| -> anyhow::Result<Figures> {
                let token = &cloud.caller.token;
                let figures = measure(place, server, case, token, connections, options.seconds).await?;
                settle(&server.process).await;
                Ok(figures)
            };
            let (mut of_jeroboam, mut of_bare) = (Vec::new(), Vec::new());
            for _ in 0..TURNS {
                of_jeroboam.push(figures(&jeroboam).await?);
                of_bare.push(figures(&bare).await?);
            }
            let row = Row {
                case: Case::clone(case),
                connections,
                jeroboam: median(of_jeroboam),
                bare: median(of_bare),
                magnum: match &magnum {
                    Some((_, server, _)) => Some(figures(server).await?),
                    None => None,
                },
            };
            eprintln!(
                "{}",
                table(std::slice::from_ref(&row))
                    .lines()
                    .last()
                    .unwrap_or_default()
            );
            rows.push(row);
            seed::remove_made(&own).await?;
            if let Some((_, _, pool)) = &magnum {
                seed::remove_made(pool).await?;
            }
            // It purges removed rows behind, which would be in the way of who is the next.
            settle(mariadb.process()).await;
        }
    }
    let loaded = memory(&jeroboam, magnum.as_ref().map(|(_, server, _)| server));
    let text = document(&options, &cloud, &rows, [fresh, loaded], magnum.is_some());
    print(&text)?;
    if let Some(file) = &options.write {
        std::fs::write(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The turn of the middle rate, with what failed in any.
fn median(mut turns: Vec<Figures>) -> Figures {
    let errors = turns.iter().map(|figures| figures.errors).sum();
    turns.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    Figures {
        errors,
        ..turns[turns.len() / 2]
    }
}

/// MB of Jeroboam and of Magnum's API.
type Memory = (f64, Option<f64>);

fn memory(jeroboam: &Server, magnum: Option<&Server>) -> Memory {
    #[expect(clippy::cast_precision_loss, reason = "megabytes for a table")]
    let megabytes = |server: &Server| server.process.memory_bytes() as f64 / 1e6;
    (megabytes(jeroboam), magnum.map(megabytes))
}

/// Largest part of Magnum's memory that is to be needed.
const GOAL_OF_MEMORY: f64 = 0.1;

fn heavy((own, magnum): Memory) -> Option<String> {
    let magnum = magnum.filter(|magnum| own >= magnum * GOAL_OF_MEMORY)?;
    Some(format!(
        "memory: {own:.0} MB are not below a tenth of Magnum's {magnum:.0} MB"
    ))
}

fn document(
    options: &Options,
    cloud: &Cloud,
    rows: &[Row],
    memory: [Memory; 2],
    with_magnum: bool,
) -> String {
    let mut out = String::from("# Performance\n\n");
    let magnum = match with_magnum {
        true => "PyPI's magnum 23.0.0 (uWSGI, 2 workers, tokens cached in memcached)",
        false => "no Magnum",
    };
    let _ = write!(
        out,
        "Made by `{}` on {}: {}, {}.\n\n\
         {} clusters with two node groups each and {} templates in one MariaDB for all; {}; {magnum}. wrk with one \
         thread on the same machine, {} s for each turn, connections kept. Jeroboam and the bare handler take {TURNS} \
         turns each within a row, and the one of the middle rate counts; then comes Magnum. *Bare axum* is a handler \
         that sends the database the same statements and writes the rows as JSON, with no token, policy or log, \
         and that asks no other service.\n\n",
        options.command,
        chrono::Utc::now().format("%Y-%m-%d"),
        processor(),
        system(),
        options.clusters,
        options.templates,
        cloud.name,
        options.seconds,
    );
    out.push_str(&table(rows));
    out.push_str("\n| resident memory (PSS), MB | Jeroboam | Magnum's API | part |\n|---|--:|--:|--:|\n");
    for (when, (own, other)) in ["after the start", "after the load"].into_iter().zip(memory) {
        let (other, part) = match other {
            Some(other) => (format!("{other:.0}"), format!("{:.2}", own / other)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let _ = writeln!(out, "| {when} | {own:.0} | {other} | {part} |");
    }
    let mut misses = misses(rows);
    misses.extend(memory.iter().filter_map(|memory| heavy(*memory)));
    if misses.is_empty() {
        out.push_str("\nAll goals are reached.\n");
    } else {
        out.push_str("\nNot reached:\n\n");
        for miss in misses {
            let _ = writeln!(out, "- {miss}");
        }
    }
    out
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{cores} cores of {}",
        model.map_or("an unknown processor", |(_, name)| name.trim())
    )
}

fn system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
