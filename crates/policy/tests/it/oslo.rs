//! The same cases to PyPI's oslo.policy and to ours: no difference.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use jeroboam_policy::{
    Deprecated, Options, Question, Refusal, Registered, Remote, Rules, TokenScope, is_granted, read,
};
use serde_json::{Map, Value, json};

use crate::cases::{Case, Default, generate};

#[test]
fn ten_thousand_checks_are_answered_as_oslo_policy_answers_them() {
    let cases = generate(20_261_122, 1000, 10);
    let oracle = ask_oslo(&cases);
    let mut granted = [0, 0, 0];
    let mut differences = Vec::new();
    for (number, (case, theirs)) in cases.iter().zip(&oracle).enumerate() {
        let ours = answer(case);
        if ours != *theirs {
            let line = line(case);
            differences.push(format!("case {number}: {line}\n  ours: {ours}\n  oslo: {theirs}"));
        }
        for answer in ours["answers"].as_array().unwrap() {
            match answer["granted"].as_bool() {
                Some(true) => granted[0] += 1,
                Some(false) => granted[1] += 1,
                None => granted[2] += 1,
            }
        }
    }
    let shown = differences
        .iter()
        .take(20)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        differences.is_empty(),
        "{} of {} cases differ\n{shown}",
        differences.len(),
        cases.len()
    );
    // Cases of one kind only would prove little.
    assert_eq!(granted.iter().sum::<i32>(), 10_000);
    assert!(granted.iter().all(|count| *count > 800), "{granted:?}");
}

/// What the oracle reads.
fn line(case: &Case) -> Value {
    let registered: Vec<Value> = case
        .registered
        .iter()
        .map(|rule| {
            let old = rule.deprecated.as_ref();
            json!({
                "name": rule.name,
                "check": rule.check,
                "scopes": rule.scopes,
                "deprecated": old.map(|(name, check)| json!({"name": name, "check": check})),
            })
        })
        .collect();
    let checks: Vec<Value> = case
        .checks
        .iter()
        .map(
            |(rule, target, credentials)| json!({"rule": rule, "target": target, "credentials": credentials}),
        )
        .collect();
    json!({
        "file": case.file,
        "registered": registered,
        "checks": checks,
        "enforce_new_defaults": case.enforce_new_defaults,
        "policy_default_rule": case.default_rule,
        "remote_content_type": if case.form { "application/x-www-form-urlencoded" } else { "application/json" },
    })
}

fn ask_oslo(cases: &[Case]) -> Vec<Value> {
    let mut oracle = Command::new(python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = oracle.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| format!("{}\n", line(case))).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text
        .lines()
        .map(|line| normal(serde_json::from_str(line).unwrap()))
        .collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

/// A question that is asked twice of the same server counts once; members of forms are read as the JSON they are.
fn normal(mut case: Value) -> Value {
    for answer in case["answers"].as_array_mut().unwrap() {
        let mut once: Vec<Value> = Vec::new();
        for mut asked in answer["asked"].as_array().unwrap().clone() {
            if let Some(form) = asked["form"].as_object_mut() {
                for value in form.values_mut() {
                    *value = serde_json::from_str(value.as_str().unwrap()).unwrap();
                }
            }
            if !once.contains(&asked) {
                once.push(asked);
            }
        }
        answer["asked"] = Value::from(once);
    }
    case
}

/// Our answer, in the oracle's words.
fn answer(case: &Case) -> Value {
    let Ok(overrides) = read(Path::new("policy.yaml"), &case.file) else {
        let refused = json!({"granted": "error", "asked": []});
        return json!({"answers": vec![refused; case.checks.len()], "rules": {}});
    };
    let scopes: Vec<Vec<TokenScope>> = case.registered.iter().map(scopes).collect();
    let registered: Vec<Registered<'_>> = case
        .registered
        .iter()
        .zip(&scopes)
        .map(|(rule, scopes)| Registered {
            name: &rule.name,
            check: &rule.check,
            description: "",
            operations: &[],
            scopes,
            deprecated: rule.deprecated.as_ref().map(|(name, check)| Deprecated {
                name,
                check,
                reason: "r",
                since: "s",
            }),
            own: false,
        })
        .collect();
    let options = Options {
        enforce_scope: true,
        enforce_new_defaults: case.enforce_new_defaults,
        default_rule: case.default_rule.clone(),
    };
    let rules = Rules::assemble(&registered, &overrides, &options);
    let answers: Vec<Value> = case
        .checks
        .iter()
        .map(|(rule, target, credentials)| {
            let server = Server {
                form: case.form,
                asked: Mutex::default(),
            };
            let outcome = now(rules.enforce(rule, target, credentials, &server));
            let granted = match outcome {
                Ok(()) => json!(true),
                Err(Refusal::Denied | Refusal::Scope(_)) => json!(false),
                Err(Refusal::Fault(_)) => json!("error"),
            };
            json!({"granted": granted, "asked": server.asked.into_inner().unwrap()})
        })
        .collect();
    json!({"answers": answers, "rules": rules.to_json()})
}

fn scopes(rule: &Default) -> Vec<TokenScope> {
    let scope = |name: &&str| match *name {
        "system" => TokenScope::System,
        "domain" => TokenScope::Domain,
        _ => TokenScope::Project,
    };
    rule.scopes.iter().map(scope).collect()
}

/// Answers as the oracle's server does.
struct Server {
    form: bool,
    asked: Mutex<Vec<Value>>,
}

impl Remote for Server {
    async fn ask(&self, question: &Question<'_>) -> Result<bool, String> {
        let (mut json, mut form) = (Value::Null, Value::Null);
        if self.form {
            let fields = question.form().into_iter();
            let read = |(name, text): (&str, String)| (name.to_owned(), serde_json::from_str(&text).unwrap());
            form = Value::Object(fields.map(read).collect::<Map<String, Value>>());
        } else {
            json = question.json();
        }
        let address = question.address;
        self.asked
            .lock()
            .unwrap()
            .push(json!({"address": address, "json": json, "form": form}));
        Ok(is_granted(match address.chars().last() {
            Some('1') => "True",
            Some('2') => "\"True\"",
            _ => "true",
        }))
    }
}

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("nothing is waited for"),
    }
}

/// Python with the unmodified oslo.policy from PyPI.
fn python() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|cache| !cache.is_empty())
        .map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"));
    let clients = cache.join("jeroboam/clients");
    assert!(
        clients.join("bin/oslopolicy-checker").exists(),
        "oslo.policy is not installed: run `cargo xtask setup`"
    );
    clients.join("bin/python")
}
