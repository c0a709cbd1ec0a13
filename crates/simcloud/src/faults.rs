//! Failures on purpose: rules that say which calls fail, how and how often.
//!
//! The invariant: whether the n-th call of an operation fails is a pure function of the seed, the rule and n, so
//! the same seed and the same calls give the same faults, also when other operations run in between.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pattern::glob;
use crate::service::Service;

/// Which calls a rule is about; an absent field matches all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// `identity`, `image`, `compute`, `network`, `volume` or `load-balancer`.
    pub service: Option<Service>,
    /// HTTP method, in any case.
    pub method: Option<String>,
    /// Glob over the path below the service's prefix, such as `/v2.1/servers` or `*/servers/{id}`; `*` stands for
    /// anything. It is tried on the path itself and on its template.
    pub path: Option<String>,
    /// Part of the resource's `name` in the body.
    pub name: Option<String>,
}

/// What happens to a matching call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Answers with an error and does nothing.
    Status {
        /// HTTP status, 400 to 599.
        status: u16,
        /// Seconds for a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// Holds the call, does nothing, then closes the connection.
    Timeout {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Resets the connection (TCP RST) without doing anything.
    Reset,
    /// Does the work, then resets the connection instead of answering.
    LostAnswer,
    /// Resets the connection at once and does the work later: what a caller that gave up does not see coming.
    Late {
        /// How much later, in milliseconds; the work is done with the next call after that.
        ms: u64,
    },
    /// A created server stays in BUILD for ever.
    StuckBuild,
    /// A created server goes to ERROR.
    ServerError {
        /// Text of its fault.
        #[serde(default = "no_valid_host")]
        message: String,
    },
    /// Refuses as over quota, in the service's own words.
    Quota,
    /// Answers later. Other rules still apply.
    Latency {
        /// Delay in milliseconds.
        ms: u64,
        /// Upper bound of a random extra delay in milliseconds.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// One of the others, by chance: errors, resets, lost answers and short delays for any call; over quota, stuck
    /// and failed servers for creations.
    Chaos,
}

fn no_valid_host() -> String {
    "No valid host was found. There are not enough hosts available.".to_owned()
}

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Which calls.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// What happens.
    pub effect: Effect,
    /// Chance of each matching call to be hit, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// How many calls it may still hit; `None` for any number.
    #[serde(default)]
    pub times: Option<u64>,
}

fn always() -> f64 {
    1.0
}

impl Rule {
    /// A rule that hits every matching call.
    pub fn new(matches: Match, effect: Effect) -> Self {
        Self {
            matches,
            effect,
            probability: 1.0,
            times: None,
        }
    }

    /// The preset `chaos`: any call fails in some way with this probability.
    pub fn chaos(probability: f64) -> Self {
        Self {
            probability,
            ..Self::new(Match::default(), Effect::Chaos)
        }
    }
}

/// A call as the rules see it.
pub(crate) struct Subject<'a> {
    pub service: Service,
    pub method: &'a str,
    pub path: &'a str,
    pub template: &'a str,
    pub body: &'a Value,
}

/// What the rules decided for one call.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub latency_ms: u64,
    pub effect: Option<Effect>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    next_id: u64,
    rules: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    rule: Rule,
    hits: u64,
    seen: BTreeMap<String, u64>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Adds a rule and returns its number. Rules are tried in the order in which they were added.
    pub fn add(&mut self, rule: Rule) -> u64 {
        self.next_id += 1;
        self.rules.insert(
            self.next_id,
            Held {
                rule,
                hits: 0,
                seen: BTreeMap::new(),
            },
        );
        self.next_id
    }

    /// Drops a rule; false when there is none of this number.
    pub fn remove(&mut self, id: u64) -> bool {
        self.rules.remove(&id).is_some()
    }

    /// Drops all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// Starts another random sequence. Counters of the rules begin anew.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        for held in self.rules.values_mut() {
            held.seen.clear();
        }
    }

    /// Number, rule and hits of each rule in force.
    pub fn list(&self) -> Vec<(u64, Rule, u64)> {
        self.rules
            .iter()
            .map(|(id, held)| (*id, held.rule.clone(), held.hits))
            .collect()
    }

    pub(crate) fn decide(&mut self, subject: &Subject<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        let seed = self.seed;
        for (id, held) in &mut self.rules {
            let spent = held.rule.times.is_some_and(|times| held.hits >= times);
            if spent || !applies(&held.rule.matches, subject) {
                continue;
            }
            let operation = format!(
                "{} {} {}",
                subject.method,
                subject.service.name(),
                subject.template
            );
            let seen = held.seen.entry(operation.clone()).or_default();
            *seen += 1;
            let mut rng = fastrand::Rng::with_seed(mix(seed, *id, *seen, &operation));
            if rng.f64() >= held.rule.probability {
                continue;
            }
            held.hits += 1;
            let effect = match &held.rule.effect {
                Effect::Chaos => chaos(&mut rng, subject),
                other => other.clone(),
            };
            match effect {
                Effect::Latency { ms, jitter_ms } => verdict.latency_ms += ms + rng.u64(0..=jitter_ms),
                other => {
                    verdict.effect = Some(other);
                    return verdict;
                }
            }
        }
        verdict
    }
}

/// FNV-1a over all that the decision depends on.
fn mix(seed: u64, rule: u64, nth: u64, operation: &str) -> u64 {
    let numbers = [seed, rule, nth].map(u64::to_le_bytes);
    let bytes = numbers.iter().flatten().copied().chain(operation.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn applies(rule: &Match, subject: &Subject<'_>) -> bool {
    let named = |part: &String| {
        let fields = subject.body.as_object();
        fields.is_some_and(|fields| {
            fields
                .values()
                .any(|resource| resource["name"].as_str().is_some_and(|name| name.contains(part)))
        })
    };
    rule.service.is_none_or(|service| service == subject.service)
        && rule
            .method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(subject.method))
        && rule
            .path
            .as_ref()
            .is_none_or(|path| glob(path, subject.path) || glob(path, subject.template))
        && rule.name.as_ref().is_none_or(named)
}

fn chaos(rng: &mut fastrand::Rng, subject: &Subject<'_>) -> Effect {
    let creates_server = subject.method == "POST" && subject.template == "/v2.1/servers";
    let is_create = subject.method == "POST" && subject.service != Service::Identity;
    match rng.u8(0..20) {
        0..=3 => Effect::Status {
            status: 503,
            retry_after: None,
        },
        4..=5 => Effect::Status {
            status: 500,
            retry_after: None,
        },
        6..=7 => Effect::Status {
            status: 429,
            retry_after: Some(1),
        },
        8..=10 => Effect::Reset,
        11..=13 => Effect::LostAnswer,
        14 => Effect::Late { ms: rng.u64(0..800) },
        15 => Effect::Timeout { ms: 200 },
        16 if creates_server => Effect::StuckBuild,
        17 if creates_server => Effect::ServerError {
            message: no_valid_host(),
        },
        18 if is_create => Effect::Quota,
        19 if subject.method != "GET" && subject.service != Service::Identity => Effect::Status {
            status: 409,
            retry_after: None,
        },
        _ => Effect::Latency {
            ms: 50,
            jitter_ms: 200,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(faults: &mut Faults, path: &str) -> Verdict {
        faults.decide(&Subject {
            service: Service::Compute,
            method: "POST",
            path,
            template: path,
            body: &serde_json::json!({"server": {"name": "worker-1"}}),
        })
    }

    #[test]
    fn the_same_seed_and_calls_give_the_same_faults_whatever_runs_between() {
        let rule = Rule::chaos(0.5);
        let (mut alone, mut busy) = (Faults::new(7), Faults::new(7));
        alone.add(rule.clone());
        busy.add(rule);
        for _ in 0..50 {
            decide(&mut busy, "/v2.1/os-keypairs");
            assert_eq!(
                decide(&mut alone, "/v2.1/servers"),
                decide(&mut busy, "/v2.1/servers")
            );
        }
    }

    #[test]
    fn another_seed_gives_other_faults() {
        let run = |seed| {
            let mut faults = Faults::new(seed);
            faults.add(Rule::chaos(0.5));
            (0..50)
                .map(|_| decide(&mut faults, "/v2.1/servers").effect)
                .collect::<Vec<_>>()
        };
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn a_rule_stops_after_its_times_and_latency_adds_up() {
        let mut faults = Faults::new(1);
        let slow = Effect::Latency { ms: 5, jitter_ms: 0 };
        faults.add(Rule::new(Match::default(), slow.clone()));
        faults.add(Rule::new(Match::default(), slow));
        let matches = Match {
            name: Some("worker".to_owned()),
            ..Match::default()
        };
        faults.add(Rule {
            times: Some(1),
            ..Rule::new(matches, Effect::Reset)
        });
        let first = decide(&mut faults, "/v2.1/servers");
        assert_eq!(
            first,
            Verdict {
                latency_ms: 10,
                effect: Some(Effect::Reset)
            }
        );
        assert_eq!(decide(&mut faults, "/v2.1/servers").effect, None);
    }
}
