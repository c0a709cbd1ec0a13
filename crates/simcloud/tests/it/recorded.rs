//! The simulator against the real services: both play the scenario in `tests/recorded`, and every answer of the
//! simulator must be the recorded one in status, headers, members, types, values and words. What may differ stands
//! in `allowed.json`, each with its reason; an entry that allows nothing fails the test.

mod differ;
mod normal;
mod play;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use differ::{Difference, differences};
use play::{Play, Seen, Step};

#[derive(Deserialize)]
struct Scenario {
    keep_addresses: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Recording {
    answers: Vec<Seen>,
}

/// Differences that are meant to be. A `*` at the end of a step's name stands for any rest, one in `at` for any
/// member or item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    steps: Vec<String>,
    at: Vec<String>,
    what: Vec<String>,
    #[expect(dead_code, reason = "for readers of the file")]
    reason: String,
}

impl Allowed {
    fn covers(&self, difference: &Difference) -> bool {
        let step = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => difference.step.starts_with(start),
            None => difference.step == *pattern,
        };
        let place = |pattern: &String| {
            let (wanted, given) = (pattern.split('/'), difference.at.split('/'));
            wanted.clone().count() == given.clone().count()
                && wanted.zip(given).all(|(want, have)| want == "*" || want == have)
        };
        self.steps.iter().any(step)
            && self.at.iter().any(place)
            && self.what.iter().any(|what| what == difference.what)
    }
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn answers_are_those_of_the_real_services() {
    let scenario: Scenario = read("scenario.json");
    let recording: Recording = read("openstack-2026.2.json");
    let allowed: Vec<Allowed> = read("allowed.json");
    let names = |steps: &[Step]| steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
    let recorded: Vec<_> = recording.answers.iter().map(|seen| seen.name.clone()).collect();
    assert_eq!(names(&scenario.steps), recorded, "record the scenario anew");

    let mut play = Play::start(scenario.keep_addresses).await;
    let mut found = Vec::new();
    for (step, real) in scenario.steps.iter().zip(&recording.answers) {
        let ours = play.play(step).await;
        found.extend(differences(real, &ours));
    }
    let left = play.cloud.sim.usage();
    play.cloud.sim.stop().await;

    let unmeant: Vec<_> = found
        .iter()
        .filter(|difference| !allowed.iter().any(|entry| entry.covers(difference)))
        .map(ToString::to_string)
        .collect();
    assert!(
        unmeant.is_empty(),
        "{} differences:\n{}",
        unmeant.len(),
        unmeant.join("\n")
    );
    let idle: Vec<_> = allowed
        .iter()
        .filter(|entry| !found.iter().any(|difference| entry.covers(difference)))
        .collect();
    assert!(idle.is_empty(), "nothing differs there: {idle:#?}");
    assert!(left.is_empty(), "left over: {left:?}");
}
