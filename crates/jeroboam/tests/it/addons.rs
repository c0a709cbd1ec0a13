//! `jeroboam addons`, and what `jeroboam config check` says of charts.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::PROGRAM;

/// A directory with a catalogue of one chart, and the configuration that names it.
struct Place(tempfile::TempDir);

impl Place {
    fn build() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(place.path("chart/templates")).unwrap();
        std::fs::write(
            place.path("chart/Chart.yaml"),
            "apiVersion: v2\nname: own\nversion: 1.0.0\n",
        )
        .unwrap();
        let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {host: {{ .Values.host | quote }}}\n";
        std::fs::write(place.path("chart/templates/own.yaml"), template).unwrap();
        let catalogue = "- name: own\n  label: own_enabled\n  versions: [{kubernetes: '1.20', version: v1}]\n  manifests:\n  \
                         - {chart: {file: chart, values: {host: '${api_host}'}}}\n";
        std::fs::write(place.path("addons.yaml"), catalogue).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program where helm is the one given; says whether it ends well, its output and its errors.
    fn run(&self, helm: &Path, more: &str, arguments: &[&str]) -> (bool, String, String) {
        let file = self.path("jeroboam.conf");
        let (catalogue, helm) = (self.path("addons.yaml"), helm.display());
        let options = format!(
            "[addons]\ncatalogue = {}\nhelm = {helm}\n{more}",
            catalogue.display()
        );
        std::fs::write(&file, options).unwrap();
        let output = Command::new(PROGRAM)
            .arg("--config-file")
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), stdout, stderr)
    }
}

const RENDER: [&str; 6] = [
    "addons",
    "render",
    "--kube-version",
    "v1.31.2",
    "--label",
    "own_enabled=true",
];

#[test]
fn a_chart_is_listed_and_printed_as_clusters_get_it() {
    let place = Place::build();
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty());
    let cache = cache.map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"));
    let helm = cache.join("jeroboam/helm/bin/helm");
    assert!(helm.exists(), "helm is not installed: run `cargo xtask setup`");
    let (is_well, objects, errors) = place.run(&helm, "", &RENDER);
    assert!(is_well, "{errors}");
    assert!(
        objects.starts_with("# own v1\n---\n") && objects.contains("\"host\": \"<api_host>\""),
        "{objects}"
    );
    let (_, list, _) = place.run(&helm, "", &["addons", "list"]);
    assert!(
        list.contains("\ncilium: ") && list.contains("  rendered by helm\n"),
        "{list}"
    );
}

#[test]
fn without_helm_it_is_said_wherever_charts_are_and_nowhere_else() {
    let (place, missing) = (Place::build(), Path::new("/nowhere/helm"));
    let why = "the program /nowhere/helm ([addons] helm) is not installed where this service runs\n";
    let (is_well, _, errors) = place.run(missing, "", &RENDER);
    assert!(!is_well && errors.contains(why), "{errors}");
    for arguments in [&["addons", "list"][..], &["addons", "show", "own"]] {
        let (is_well, text, _) = place.run(missing, "", arguments);
        assert!(
            is_well && text.contains(&format!("cannot be had: it is a chart, and {why}")),
            "{text}"
        );
    }
    let warned = |more: &str| {
        let (_, text, _) = place.run(missing, more, &["config", "check"]);
        ["own", "cilium"].map(|name| text.contains(&format!("add-on {name} is a chart, and {why}")))
    };
    assert_eq!(warned(""), [true, false], "no template may name cilium");
    let allowed = "[cluster_template]\nkubernetes_allowed_network_drivers = flannel, cilium\n";
    assert_eq!(warned(allowed), [true, true]);
    std::fs::write(place.path("addons.yaml"), "[]\n").unwrap();
    assert_eq!(warned(""), [false, false]);
}
