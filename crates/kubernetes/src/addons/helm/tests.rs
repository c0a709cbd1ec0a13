//! With the real program, as `cargo xtask setup` installs it, and with others in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jeroboam_addons::{Catalogue, Objects, Selected, Variables, Wish};
use serde_json::{Value, json};

use super::*;
use crate::addons::Sources;

/// A catalogue with one add-on, which is the chart of the tests with something changed.
struct Shop {
    home: TempDir,
    catalogue: Catalogue,
}

const VALUES: &str = "{greeting: 'in ${cluster_name}', replicas: '${node_prefix_len}'}";

/// The program, which must be there: no test is left out.
fn real_helm() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty());
    let cache = cache.map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"));
    let helm = cache.join("jeroboam/helm/bin/helm");
    assert!(helm.exists(), "helm is not installed: run `cargo xtask setup`");
    helm
}

impl Shop {
    /// With other files of the chart, and values.
    fn build(files: &[(&str, &str)], values: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chart");
        for name in [
            "Chart.yaml",
            "values.yaml",
            "values.schema.json",
            "crds/thing.yaml",
            "templates/shop.yaml",
            "templates/hook.yaml",
        ] {
            put(&home, name, &fs::read_to_string(data.join(name)).unwrap());
        }
        for (name, text) in files {
            put(&home, name, text);
        }
        let catalogue = format!(
            "- name: shop\n  default: true\n  versions: [{{kubernetes: '1.20', version: v1}}]\n  \
             manifests: [{{chart: {{file: chart, namespace: market, values: {values}}}}}]\n"
        );
        fs::write(home.path().join("catalogue.yaml"), catalogue).unwrap();
        let catalogue = Catalogue::load(&home.path().join("catalogue.yaml")).unwrap();
        Self { home, catalogue }
    }

    fn selected(&self) -> Selected<'_> {
        let wish = Wish {
            minor: 31,
            network_driver: None,
            enabled: &[],
            label: &|_| None,
        };
        self.catalogue.select(&wish).unwrap().remove(0)
    }

    async fn render(&self, helm: &Path, prefix: Option<&str>) -> Result<Objects, SourceError> {
        let (selected, given) = (self.selected(), given());
        let texts = Sources::new(helm).of(&selected, &given).await?;
        Ok(selected.render(&given, prefix, &texts).unwrap())
    }

    /// What is said when it cannot be rendered for good.
    async fn refusal(&self, helm: &Path) -> String {
        let error = self.render(helm, None).await.unwrap_err();
        assert!(!error.passes, "{error}");
        let reason = error.reason.strip_prefix("the chart chart ");
        reason.unwrap_or_else(|| panic!("{error}")).to_owned()
    }
}

fn put(home: &TempDir, name: &str, text: &str) {
    let file = home.path().join("chart").join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn given() -> Variables {
    [
        ("cluster_name", json!("{{ one }}: \"two\"")),
        ("node_prefix_len", json!(3)),
        ("kubernetes_version", json!("v1.31.2")),
        ("cloud_login", json!("password = \"s3cret\"")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Another program in the place of helm.
fn other_helm(home: &TempDir, script: &str) -> PathBuf {
    let file = home.path().join("helm");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[tokio::test]
async fn a_chart_is_rendered_with_the_catalogues_values_for_the_clusters_kubernetes() {
    let shop = Shop::build(&[], VALUES);
    let objects = shop
        .render(&real_helm(), Some("mirror.example/all"))
        .await
        .unwrap()
        .0;
    let names = objects.iter().map(|object| {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        format!(
            "{} {}/{}",
            text("/kind"),
            text("/metadata/namespace"),
            text("/metadata/name")
        )
    });
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            // Whether it is of a namespace is seen when it is applied.
            "CustomResourceDefinition market/things.example.com",
            "Role kube-system/till",
            "Deployment market/shop",
        ],
        "and no hook"
    );
    let pod = &objects[2]["spec"]["template"];
    assert_eq!(objects[2]["spec"]["replicas"], 3);
    let container = &pod["spec"]["containers"][0];
    assert_eq!(
        container["image"],
        format!("mirror.example/all/till:v1@sha256:{}", "a".repeat(64))
    );
    assert_eq!(
        container["env"][0]["value"], "in {{ one }}: \"two\"",
        "a value stays a value"
    );
    assert_eq!(container["env"][1]["value"], "v1.31.2");
    assert_eq!(pod["metadata"]["labels"]["jeroboam.openstack.org/add-on"], "shop");
}

#[tokio::test]
async fn an_archive_is_what_its_directory_is() {
    let shop = Shop::build(&[], VALUES);
    let from_directory = shop.render(&real_helm(), None).await.unwrap();
    let home = shop.home.path();
    fs::rename(home.join("chart"), home.join("shop")).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["-czf", "chart", "shop"])
        .current_dir(home)
        .status();
    assert!(tar.unwrap().success());
    let catalogue = Catalogue::load(&home.join("catalogue.yaml")).unwrap();
    let packed = Shop {
        home: shop.home,
        catalogue,
    };
    assert_eq!(packed.render(&real_helm(), None).await.unwrap(), from_directory);
}

#[tokio::test]
async fn what_is_wrong_with_a_chart_is_told() {
    let dependency = "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n- {name: bank, version: 1.0.0, \
                      repository: 'https://charts.example'}\n";
    let schema = "{\"$ref\": \"http://charts.example/schema.json\"}";
    let too_new = "apiVersion: v2\nname: shop\nversion: 1.0.0\nkubeVersion: '>= 1.40.0-0'\n";
    for (file, text, values, told) in [
        (
            "templates/shop.yaml",
            "a: {{ .Values.greeting",
            VALUES,
            "unclosed action",
        ),
        (
            "templates/shop.yaml",
            "a: {{ fail .Values.greeting }}",
            VALUES,
            "in {{ one }}: \"two\"",
        ),
        ("templates/shop.yaml", "a: [\n", VALUES, "templates/shop.yaml"),
        (
            "Chart.yaml",
            dependency,
            VALUES,
            "missing in charts/ directory: bank",
        ),
        ("Chart.yaml", too_new, VALUES, ">= 1.40.0-0"),
        (
            "values.yaml",
            "a: 1\n",
            "{replicas: many}",
            "replicas: Invalid type. Expected: integer",
        ),
        (
            "values.schema.json",
            schema,
            VALUES,
            "proxyconnect tcp: dial tcp 127.0.0.1:9",
        ),
        (
            "templates/other.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {key: {{ randAlphaNum 20 }}}}\n",
            VALUES,
            "certificates or passwords",
        ),
        (
            "templates/shop.yaml",
            "a: {{ repeat 9000000 \"x\" }}",
            VALUES,
            "more than 8388608 bytes",
        ),
    ] {
        let shop = Shop::build(&[(file, text)], values);
        let refusal = shop.refusal(&real_helm()).await;
        assert!(refusal.contains(told), "{refusal}");
        assert!(
            refusal.starts_with("cannot be rendered: ") && refusal.len() < 700,
            "{refusal}"
        );
        let temporary = std::env::temp_dir().display().to_string();
        assert!(
            !refusal.contains(&temporary) && !refusal.contains('\n'),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn secrets_reach_the_chart_and_nobody_else() {
    let login = "{greeting: '${cloud_login}'}";
    let shop = Shop::build(&[], login);
    let objects = shop.render(&real_helm(), None).await.unwrap().0;
    let environment = &objects[2]["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(environment[0]["value"], "password = \"s3cret\"");

    for (template, told) in [
        ("a: {{ fail .Values.greeting }}", "not shown"),
        ("{{ .Values.greeting }}: [", "not shown"),
    ] {
        let shop = Shop::build(&[("templates/shop.yaml", template)], login);
        let refusal = shop.refusal(&real_helm()).await;
        assert!(refusal.contains(told) && !refusal.contains("s3cret"), "{refusal}");
    }
    // What helm takes for a manifest may still be none.
    let shop = Shop::build(
        &[("templates/shop.yaml", "{{ .Values.greeting | quote }}: 1")],
        login,
    );
    let (selected, given) = (shop.selected(), given());
    let texts = Sources::new(&real_helm()).of(&selected, &given).await.unwrap();
    let error = selected.render(&given, None, &texts).unwrap_err().to_string();
    assert!(error.ends_with("is no manifest"), "{error}");

    // Neither a file, nor an argument, nor the environment has it: values come by the standard input.
    let script = "if grep -rq s3cret .. || env | grep -q s3cret; then echo it is in a file >&2; exit 1; fi\n\
                  for word in \"$@\"; do case $word in *s3cret*) exit 2;; esac; done\ngrep -q s3cret || exit 3";
    let shop = Shop::build(&[], login);
    let spy = other_helm(&shop.home, &format!("PATH=/usr/bin:/bin\n{script}"));
    assert_eq!(shop.render(&spy, None).await.unwrap().0.len(), 0);
}

#[tokio::test]
async fn the_program_is_alone_with_the_chart() {
    let shop = Shop::build(&[], VALUES);
    let seen = shop.home.path().join("seen");
    let script = format!(
        "PATH=/usr/bin:/bin\n{{ env; echo \"$@\"; pwd; }} > {}",
        seen.display()
    );
    shop.render(&other_helm(&shop.home, &script), None).await.unwrap();
    let seen = fs::read_to_string(seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let (there, rest) = (lines[lines.len() - 1], &lines[..lines.len() - 1]);
    let house = Path::new(there).parent().unwrap().display();
    assert_eq!(
        *rest.last().unwrap(),
        format!(
            "template shop {house}/chart --namespace market --kube-version v1.31.2 --values - --include-crds --no-hooks"
        )
    );
    let mut names: Vec<&str> = rest[..rest.len() - 1]
        .iter()
        .filter_map(|line| Some(line.split_once('=')?.0))
        // The shell's own.
        .filter(|name| !["PATH", "PWD", "_", "OLDPWD", "SHLVL"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "HTTPS_PROXY", "HTTP_PROXY", "TMPDIR"]);
    assert!(!Path::new(there).exists(), "nothing stays behind");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended_and_tried_again_later() {
    let shop = Shop::build(&[], VALUES);
    let (selected, given) = (shop.selected(), given());
    let rendering = selected.charts(&given).remove(0);
    let pid = shop.home.path().join("pid");
    let script = format!("echo $$ > {}\nexec /bin/sleep 1000", pid.display());
    let helm = Helm::new(&other_helm(&shop.home, &script)).with_time_limit(Duration::from_secs(2));
    let error = helm.render(&rendering, None).await.unwrap_err();
    assert!(
        error.passes && error.reason.ends_with("helm takes over 2 s"),
        "{error}"
    );
    let pid = fs::read_to_string(pid).unwrap();
    let begun = std::time::Instant::now();
    let program = || fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    while program().contains("sleep") {
        assert!(begun.elapsed() < Duration::from_secs(10), "it runs on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_the_program_its_option_is_named() {
    let shop = Shop::build(&[], VALUES);
    for missing in ["/nowhere/helm", "no-such-helm", "./no-such-helm"] {
        let refusal = shop.refusal(Path::new(missing)).await;
        assert!(
            refusal.contains(missing) && refusal.contains("[addons] helm"),
            "{refusal}"
        );
    }
    let quiet = other_helm(&shop.home, "exit 7");
    let refusal = shop.refusal(&quiet).await;
    assert!(refusal.ends_with("helm ends with exit status: 7"), "{refusal}");
    assert!(
        Sources::new(Path::new("sh")).find_helm().is_ok(),
        "PATH is looked through"
    );
}
