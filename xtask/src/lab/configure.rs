//! Writes every configuration file, from the templates in `xtask/lab/conf`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Lab;
use super::places::{HOST, PASSWORD, REGION, make_directory};

/// Where the templates are.
const TEMPLATES: &str = "xtask/lab/conf";

/// A file of a service: its name, the service's user, and the further sections with the login of that user.
struct File {
    name: &'static str,
    user: Option<&'static str>,
    logins: &'static [&'static str],
}

const fn plain(name: &'static str) -> File {
    File {
        name,
        user: None,
        logins: &[],
    }
}

const fn of(name: &'static str, user: &'static str, logins: &'static [&'static str]) -> File {
    File {
        name,
        user: Some(user),
        logins,
    }
}

const FILES: &[File] = &[
    plain("my.cnf"),
    plain("rabbitmq.conf"),
    plain("keystone.conf"),
    plain("ml2.ini"),
    of("placement.conf", "placement", &[]),
    of("glance-api.conf", "glance", &[]),
    of(
        "nova.conf",
        "nova",
        &["placement", "glance", "service_user", "neutron", "cinder"],
    ),
    of("neutron.conf", "neutron", &["nova", "placement"]),
    of("cinder.conf", "cinder", &["nova", "service_user"]),
    of("barbican.conf", "barbican", &[]),
    of(
        "octavia.conf",
        "octavia",
        &["service_auth", "neutron", "nova", "glance", "cinder"],
    ),
    of("magnum.conf", "magnum", &["keystone_auth"]),
];

/// What services expect to be there.
const DIRECTORIES: &[&str] = &[
    "keystone/fernet",
    "keystone/credential",
    "glance/images",
    "glance/staging",
    "glance/tasks",
    "nova/instances",
    "neutron",
    "cinder",
    "barbican-home",
    "octavia",
    "magnum",
    "rabbit/home",
];

/// Writes all.
pub fn all(lab: &Lab, python: &Path) -> Result<()> {
    for directory in DIRECTORIES {
        make_directory(&lab.data().join(directory))?;
    }
    let mut values = values(lab, python)?;
    for file in FILES {
        let mut text = template(file.name)?;
        if let Some(user) = file.user {
            values.insert("user".to_owned(), user.to_owned());
            make_directory(&lab.data().join("lock").join(user))?;
            text.push_str(&template("common.conf")?);
            for section in ["keystone_authtoken"].iter().chain(file.logins) {
                text.push_str(&template("login.conf")?.replace("{{section}}", section));
            }
        }
        write(&lab.conf().join(file.name), &fill(&text, &values)?)?;
    }
    pastes(lab, python)?;
    keys(lab)
}

/// Files of the packages that need a change.
fn pastes(lab: &Lab, python: &Path) -> Result<()> {
    let conf = lab.conf();
    let shipped = |path: &str| {
        let path = python.join("etc").join(path);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    // Barbican reads no file that it is told, only those in its home; and its pipeline must be told the project.
    let filter = "paste.filter_factory = keystonemiddleware.auth_token:filter_factory";
    let barbican = shipped("barbican/barbican-api-paste.ini")?
        .replace(filter, &format!("{filter}\noslo_config_project = barbican"));
    write(&conf.join("barbican-api-paste.ini"), &barbican)?;
    let home = lab.data().join("barbican-home/.barbican");
    if !home.is_symlink() {
        symlink(&conf, &home).with_context(|| format!("cannot link {}", home.display()))?;
    }
    let magnum = shipped("magnum/api-paste.ini")?.replace("/etc/magnum", &conf.display().to_string());
    write(&conf.join("magnum-api-paste.ini"), &magnum)?;
    write(&conf.join("api-paste.ini"), &shipped("nova/api-paste.ini")?)?;
    let amphora = conf.join("amphora.conf");
    if !amphora.exists() {
        write(&amphora, "")?;
    }
    Ok(())
}

/// Keystone's keys, and Octavia's authority. Their own tools take seconds for each.
fn keys(lab: &Lab) -> Result<()> {
    for key in ["fernet/0", "fernet/1", "credential/0", "credential/1"] {
        let path = lab.data().join("keystone").join(key);
        if !path.exists() {
            let random = output(Command::new("openssl").args(["rand", "-base64", "32"]))?;
            write(&path, random.trim().replace('+', "-").replace('/', "_").as_str())?;
        }
    }
    let octavia = lab.data().join("octavia");
    let (certificate, key) = (octavia.join("ca.pem"), octavia.join("ca.key"));
    if !certificate.exists() {
        let password = format!("pass:{PASSWORD}");
        output(
            Command::new("openssl")
                .args([
                    "req", "-x509", "-newkey", "rsa:2048", "-days", "3650", "-subj", "/CN=lab",
                ])
                .args(["-passout", &password, "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        )?;
    }
    Ok(())
}

fn values(lab: &Lab, python: &Path) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    let path = |path: &Path| path.display().to_string();
    let user = output(Command::new("id").arg("-un"))?;
    for (name, value) in [
        ("host", HOST.to_owned()),
        ("password", PASSWORD.to_owned()),
        ("region", REGION.to_owned()),
        ("keystone", lab.keystone()),
        ("database", lab.database()),
        ("unix_user", user.trim().to_owned()),
        ("state", path(&lab.state)),
        ("data", path(&lab.data())),
        ("conf", path(&lab.conf())),
        ("venv", path(python)),
    ] {
        values.insert(name.to_owned(), value);
    }
    let rabbit = lab.port("rabbit").unwrap_or_default();
    values.insert(
        "broker".to_owned(),
        format!("rabbit://lab:{PASSWORD}@{HOST}:{rabbit}/"),
    );
    for name in super::places::LISTENERS {
        let port = lab.port(name).unwrap_or_default();
        values.insert(format!("{name}.port"), port.to_string());
        values.insert(format!("{name}.url"), lab.url(name));
    }
    Ok(values)
}

fn template(name: &str) -> Result<String> {
    let path = Path::new(TEMPLATES).join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Puts values in the place of `{{names}}`.
fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            bail!("a template has {{{{ without }}}}");
        };
        let value = values
            .get(name)
            .with_context(|| format!("a template names {name}, which nobody knows"))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("cannot start a program")?;
    if !output.status.success() {
        bail!(
            "{} failed: {}",
            command.get_program().display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
