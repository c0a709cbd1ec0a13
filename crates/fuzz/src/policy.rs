//! Policy files, and every rule of theirs asked for.

use std::path::Path;
use std::sync::LazyLock;

use jeroboam_policy::magnum::RULES;
use jeroboam_policy::{Check, Options, Outcome, Override, Problem, Rules, parse, read, review};
use serde_json::{Map, Value, json};

static CREDENTIALS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let known = json!({
        "user_id": "u", "project_id": "p", "roles": ["reader", "Member"], "is_admin": false,
        "nested": {"list": [{"a": "b"}, 1.5, null]}
    });
    known.as_object().cloned().unwrap_or_default()
});
static TARGET: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let known = json!({"user_id": "u", "project_id": "p", "name": "n", "none": null});
    known.as_object().cloned().unwrap_or_default()
});

/// The text of a policy file, or else a rule. A rule that cannot be understood grants nothing, and no rule grants
/// anything while the servers that it names refuse.
pub(crate) fn run(text: &str) {
    let overrides = read(Path::new("policy.yaml"), text).unwrap_or_else(|_| {
        vec![Override {
            name: "cluster:get".to_owned(),
            parsed: parse(text),
            is_null: false,
            file: "policy.yaml".into(),
            line: 1,
        }]
    });
    for own in &overrides {
        let problems = &own.parsed.problems;
        if problems.contains(&Problem::NotARule) || problems.contains(&Problem::TooDeep) {
            assert_eq!(own.parsed.check, Check::Never, "{own:?}");
        }
    }
    let options = Options::default();
    let _ = review(RULES, &overrides, &options);
    let rules = Rules::assemble(RULES, &overrides, &options);
    let _ = rules.to_json();
    for (name, check) in rules.iter() {
        let asks = |check: &Check| matches!(check, Check::Remote(_));
        let answer = rules.evaluate(name, &*TARGET, &*CREDENTIALS, &[]);
        if asks(check)
            && let Ok(Outcome::Ask(address)) = answer
        {
            let answers = [(address, false)];
            let refused = rules.evaluate(name, &*TARGET, &*CREDENTIALS, &answers);
            assert!(refused.is_err(), "{name} is granted although its server refuses");
        }
    }
}
