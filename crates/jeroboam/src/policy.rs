//! `jeroboam policy`: the rules in force, checked and tried out.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use jeroboam_api::PolicyFiles;
use jeroboam_policy::{Options, Outcome, Override, Refusal, Rules, credentials_of, magnum, read, review};
use serde_json::{Map, Value, json};

use crate::cli::{Configuration, PolicyCheck};
use crate::{configuration, output};

/// Prints every rule with what it asks for.
pub fn list(arguments: &Configuration) -> anyhow::Result<()> {
    let files = PolicyFiles::new(&configuration::load(arguments)?);
    let overrides = files.read()?;
    let rules = Rules::assemble(magnum::RULES, &overrides, files.options());
    let lines: String = rules
        .iter()
        .map(|(name, check)| {
            let own = overrides.iter().rfind(|own| own.name == name);
            let origin = own.map_or(String::new(), |own| {
                format!("  # {}:{}", own.file.display(), own.line)
            });
            format!("{}: {}{origin}\n", json!(name), json!(check.to_string()))
        })
        .collect();
    output::text(&lines)
}

/// Checks files, or what they grant.
pub fn check(configuration: &Configuration, arguments: &PolicyCheck) -> anyhow::Result<()> {
    let files = PolicyFiles::new(&configuration::load(configuration)?);
    let overrides = match arguments.files.as_slice() {
        [] => files.read()?,
        named => named
            .iter()
            .map(|file| read_file(file))
            .collect::<anyhow::Result<Vec<_>>>()?
            .concat(),
    };
    match &arguments.token {
        None => check_files(&overrides, files.options()),
        Some(token) => check_token(&overrides, files.options(), token, arguments),
    }
}

fn read_file(file: &Path) -> anyhow::Result<Vec<Override>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(read(file, &text)?)
}

fn check_files(overrides: &[Override], options: &Options) -> anyhow::Result<()> {
    let findings = review(magnum::RULES, overrides, options);
    for finding in &findings {
        output::line(finding.to_string())?;
    }
    match findings.iter().filter(|finding| finding.is_error).count() {
        0 => output::line(format!("{} rules of policy files are usable", overrides.len())),
        1 => bail!("a rule needs a look"),
        errors => bail!("{errors} rules need a look"),
    }
}

fn check_token(
    overrides: &[Override],
    options: &Options,
    token: &Path,
    arguments: &PolicyCheck,
) -> anyhow::Result<()> {
    let rules = Rules::assemble(magnum::RULES, overrides, options);
    let credentials = credentials(token, &rules)?;
    let target = match &arguments.target {
        Some(text) => serde_json::from_str(text).context("--target is not a JSON object")?,
        None => own_target(&credentials),
    };
    let mut names: Vec<&str> = arguments.rule.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = rules
            .iter()
            .map(|(name, _)| name)
            .filter(|name| name.contains(':'))
            .collect();
    }
    let mut refused = 0;
    for name in names {
        let verdict = match rules.evaluate(name, &target, &credentials, &[]) {
            Ok(Outcome::Granted) => "granted".to_owned(),
            Ok(Outcome::Ask(address)) => format!("asks     {address}"),
            Err(Refusal::Denied) => "refused".to_owned(),
            Err(other) => format!("refused  {other}"),
        };
        if verdict != "granted" {
            refused += 1;
        }
        let (verdict, reason) = verdict.split_once("  ").unwrap_or((verdict.as_str(), ""));
        output::line(format!("{verdict:8} {name} {}", reason.trim()).trim_end())?;
    }
    if refused > 0 && !arguments.rule.is_empty() {
        bail!("not granted: {refused} of {}", arguments.rule.len());
    }
    Ok(())
}

/// Credentials of a file, with what the rules say of administrators.
fn credentials(file: &Path, rules: &Rules) -> anyhow::Result<Map<String, Value>> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read the standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    let mut credentials = match (credentials_of(&value), value) {
        (Some(credentials), _) | (None, Value::Object(credentials)) => credentials,
        _ => bail!(
            "{} is neither a token nor an object of credentials",
            file.display()
        ),
    };
    if !credentials.contains_key("is_admin") {
        let target = own_target(&credentials);
        let is_admin = rules.evaluate("context_is_admin", &target, &credentials, &[]) == Ok(Outcome::Granted);
        credentials.insert("is_admin".to_owned(), Value::from(is_admin));
    }
    Ok(credentials)
}

/// What a request is about that is about no object: the caller's own project and user.
fn own_target(credentials: &Map<String, Value>) -> Map<String, Value> {
    let own = credentials
        .iter()
        .filter(|(name, value)| matches!(name.as_str(), "project_id" | "user_id") && !value.is_null());
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}
