//! What is parsed before or just after authentication, fed with anything. A target fails by panicking: the parser's
//! own panic, an overflow, or a broken promise that the target checks.

mod csr;
mod policy;

/// A target: it takes any bytes.
pub type Target = fn(&[u8]);

/// All targets by name; each has its seeds in `seeds/<name>`.
pub const TARGETS: &[(&str, Target)] = &[
    ("path", |data| text(data, jeroboam_api::fuzzing::path)),
    ("query", |data| text(data, jeroboam_api::fuzzing::query)),
    ("microversion", jeroboam_api::fuzzing::microversion),
    ("accept", jeroboam_api::fuzzing::accept),
    ("entity_tags", |data| {
        text(data, jeroboam_api::fuzzing::entity_tags)
    }),
    ("python_literal", |data| {
        text(data, jeroboam_api::fuzzing::python_literal)
    }),
    ("json_patch", jeroboam_api::fuzzing::json_patch),
    ("new_object", jeroboam_api::fuzzing::new_object),
    ("csr", csr::run),
    ("ini", |data| text(data, ini)),
    ("policy", |data| text(data, policy::run)),
];

fn text(data: &[u8], target: impl Fn(&str)) {
    if let Ok(text) = std::str::from_utf8(data) {
        target(text);
    }
}

/// A configuration file in which a password stands. What is said of an error never shows it, even if another option
/// refers to it or its own value does not fit.
fn ini(text: &str) {
    const PASSWORD: &str = "hunter2";
    if text.contains(PASSWORD) {
        return;
    }
    for scheme in ["mysql+pymysql", "nonsense"] {
        let text = format!("{text}\n[database]\nconnection = {scheme}://magnum:{PASSWORD}@db/magnum\n");
        if let Err(error) = jeroboam_config::Config::from_ini(&text) {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(PASSWORD), "{shown}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_target_passes_its_seeds() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        let names = |directory: &Path| -> BTreeSet<String> {
            let entries = std::fs::read_dir(directory).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names(&seeds), targets);
        for (name, target) in TARGETS {
            let directory = seeds.join(name);
            let files = names(&directory);
            assert!(!files.is_empty(), "{name} has no seeds");
            for file in files {
                target(&std::fs::read(directory.join(file)).unwrap());
            }
        }
    }
}
