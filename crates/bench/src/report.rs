//! The table.

use std::fmt::Write as _;

use crate::cases::Case;
use crate::load::Figures;

/// One row: a kind of request at a number of connections.
pub struct Row {
    /// The request.
    pub case: Case,
    /// Connections.
    pub connections: u32,
    /// Jeroboam.
    pub jeroboam: Figures,
    /// The bare handler.
    pub bare: Figures,
    /// Magnum, if it takes part.
    pub magnum: Option<Figures>,
}

/// Least part of the bare handler's requests per second that is to be reached.
const GOAL_OF_BARE: f64 = 0.6;

/// The rows in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| request | connections | Jeroboam/s | p50, p99 ms | bare axum/s | of bare | Magnum/s | p50, p99 ms | times Magnum |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let (own, bare) = (row.jeroboam, row.bare);
        let (rate, times, latency) = match row.magnum {
            Some(magnum) => (
                number(magnum.rate),
                number(own.rate / magnum.rate),
                latencies(magnum),
            ),
            None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {:.2} | {rate} | {latency} | {times} |",
            row.case.name,
            row.connections,
            number(own.rate),
            latencies(own),
            number(bare.rate),
            own.rate / bare.rate,
        );
    }
    out
}

/// What was to be reached and was not, and what failed.
pub fn misses(rows: &[Row]) -> Vec<String> {
    let mut misses = Vec::new();
    for row in rows {
        let place = format!("{} at {} connections", row.case.name, row.connections);
        let bare = row.jeroboam.rate / row.bare.rate;
        if bare < GOAL_OF_BARE {
            misses.push(format!(
                "{place}: {bare:.2} of the bare handler, not {GOAL_OF_BARE}"
            ));
        }
        if let Some(magnum) = row.magnum {
            let times = row.jeroboam.rate / magnum.rate;
            if times < row.case.goal {
                misses.push(format!("{place}: {times:.1} times Magnum, not {}", row.case.goal));
            }
            if row.jeroboam.p99_ms >= magnum.p50_ms {
                misses.push(format!(
                    "{place}: p99 {:.1} ms is not below Magnum's p50 {:.1} ms",
                    row.jeroboam.p99_ms, magnum.p50_ms
                ));
            }
        }
        let all = [Some(row.jeroboam), Some(row.bare), row.magnum];
        for (name, figures) in ["Jeroboam", "bare axum", "Magnum"].into_iter().zip(all) {
            let errors = figures.map_or(0, |figures| figures.errors);
            if errors > 0 {
                misses.push(format!("{place}: {errors} requests to {name} failed"));
            }
        }
    }
    misses
}

fn latencies(figures: Figures) -> String {
    match figures.count {
        0 => "-".to_owned(),
        _ => format!("{}, {}", number(figures.p50_ms), number(figures.p99_ms)),
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() => "-".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rate: f64) -> Figures {
        Figures {
            rate,
            p50_ms: 1.0,
            p99_ms: 2.0,
            count: 10,
            errors: 0,
        }
    }

    #[test]
    fn what_is_not_reached_is_named() {
        let row = |own: f64, bare: f64, magnum: f64| Row {
            case: crate::cases::all().remove(1),
            connections: 8,
            jeroboam: figures(own),
            bare: figures(bare),
            magnum: Some(Figures {
                p50_ms: 3.0,
                ..figures(magnum)
            }),
        };
        assert!(misses(&[row(5_000.0, 8_000.0, 100.0)]).is_empty());
        let misses = misses(&[row(4_000.0, 8_000.0, 100.0)]);
        assert_eq!(
            misses,
            [
                "template list at 8 connections: 0.50 of the bare handler, not 0.6",
                "template list at 8 connections: 40.0 times Magnum, not 50"
            ]
        );
        for case in crate::cases::all() {
            let row = Row {
                case,
                ..row(1.0, 2.0, 0.001)
            };
            let misses = super::misses(&[row]);
            assert!(
                misses[0].ends_with(": 0.50 of the bare handler, not 0.6"),
                "{misses:?}"
            );
        }
        assert_eq!([1234.5, 12.34, 0.123].map(number), ["1234", "12.3", "0.12"]);
    }
}
