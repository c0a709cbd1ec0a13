//! What a node's first boot makes of an image, and how it is told: cloud-init or Ignition.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jeroboam_blueprint::userdata::{check_length, file, gzip, pack};
use jeroboam_driver::DriverError;
use serde_json::{Value, json};

/// Directory of systemd's units.
const UNITS: &str = "/etc/systemd/system";

/// What reads the user-data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// cloud-init.
    CloudInit,
    /// Ignition, format 3.
    Ignition,
}

impl Reader {
    /// The one that images of an `os_distro` have.
    pub(crate) fn of(os_distro: &str) -> Self {
        match os_distro {
            "flatcar" => Self::Ignition,
            _ => Self::CloudInit,
        }
    }
}

/// Files and units of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// Host name.
    pub(crate) host_name: String,
    /// Path, mode, contents.
    pub(crate) files: Vec<(String, u32, String)>,
    /// Units that are enabled and started: name, contents.
    pub(crate) units: Vec<(&'static str, String)>,
    /// Units that others start: name, contents.
    pub(crate) idle_units: Vec<(&'static str, &'static str)>,
    /// Drop-ins of the image's own units, which are restarted: unit, name of the drop-in, contents.
    pub(crate) drop_ins: Vec<(&'static str, &'static str, String)>,
}

impl Machine {
    /// Adds a file.
    pub(crate) fn file(&mut self, path: impl Into<String>, mode: u32, content: impl Into<String>) {
        self.files.push((path.into(), mode, content.into()));
    }

    /// Adds a file that only root may read.
    pub(crate) fn secret(&mut self, path: impl Into<String>, content: impl Into<String>) {
        self.file(path, 0o600, content);
    }

    /// The user-data.
    pub(crate) fn render(&self, reader: Reader) -> Result<Vec<u8>, DriverError> {
        match reader {
            Reader::CloudInit => pack(&format!("#cloud-config\n{:#}\n", self.document(reader)?)),
            Reader::Ignition => {
                let text = self.document(reader)?.to_string().into_bytes();
                check_length(&text)?;
                Ok(text)
            }
        }
    }

    /// What the reader reads.
    pub(crate) fn document(&self, reader: Reader) -> Result<Value, DriverError> {
        match reader {
            Reader::CloudInit => Ok(self.cloud_config()),
            Reader::Ignition => self.ignition(),
        }
    }

    fn cloud_config(&self) -> Value {
        let own = self.files.iter();
        let mut files: Vec<Value> = own
            .map(|(path, mode, content)| file(path, &format!("{mode:04o}"), content))
            .collect();
        for (name, content) in &self.units {
            files.push(file(&format!("{UNITS}/{name}"), "0644", content));
        }
        for (name, content) in &self.idle_units {
            files.push(file(&format!("{UNITS}/{name}"), "0644", content));
        }
        for (unit, name, content) in &self.drop_ins {
            files.push(file(&format!("{UNITS}/{unit}.d/{name}"), "0644", content));
        }
        let started: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        let systemctl = |words: &[&str], units: &[&str]| {
            let mut command = vec!["systemctl"];
            command.extend(words);
            command.extend(units);
            json!(command)
        };
        let mut commands = vec![systemctl(&["daemon-reload"], &[])];
        let mut changed: Vec<&str> = self.drop_ins.iter().map(|(unit, ..)| *unit).collect();
        changed.dedup();
        if !changed.is_empty() {
            commands.push(systemctl(&["try-restart"], &changed));
        }
        commands.push(systemctl(&["enable"], &started));
        commands.push(systemctl(&["start", "--no-block"], &started));
        json!({
            "hostname": self.host_name,
            "preserve_hostname": false,
            "write_files": files,
            "runcmd": commands,
        })
    }

    fn ignition(&self) -> Result<Value, DriverError> {
        let host_name = ("/etc/hostname".to_owned(), 0o644, format!("{}\n", self.host_name));
        let files = self.files.iter().chain(std::iter::once(&host_name));
        let files: Result<Vec<Value>, DriverError> = files
            .map(|(path, mode, content)| {
                let contents = ignition_contents(content)?;
                Ok(json!({"path": path, "mode": mode, "overwrite": true, "contents": contents}))
            })
            .collect();
        let mut units: Vec<Value> = self
            .units
            .iter()
            .map(|(name, content)| json!({"name": name, "enabled": true, "contents": content}))
            .collect();
        for (name, content) in &self.idle_units {
            units.push(json!({"name": name, "contents": content}));
        }
        for (unit, name, content) in &self.drop_ins {
            units.push(json!({"name": unit, "dropins": [{"name": name, "contents": content}]}));
        }
        Ok(json!({
            "ignition": {"version": "3.3.0"},
            "storage": {"files": files?},
            "systemd": {"units": units},
        }))
    }
}

/// Files above this size are compressed: Ignition takes no user-data that is compressed as a whole.
const PLAIN_FILE_BYTES: usize = 512;

fn ignition_contents(content: &str) -> Result<Value, DriverError> {
    let source = |bytes: &[u8]| format!("data:;base64,{}", BASE64_STANDARD.encode(bytes));
    if content.len() <= PLAIN_FILE_BYTES {
        return Ok(json!({"source": source(content.as_bytes())}));
    }
    Ok(json!({"source": source(&gzip(content.as_bytes())?), "compression": "gzip"}))
}
