//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Container clusters for OpenStack: the Magnum API with an engine of its own.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub configuration: Configuration,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration is.
#[derive(Args)]
pub struct Configuration {
    /// Configuration file in oslo's INI format; may be given several times, later ones win
    #[arg(long, global = true, value_name = "FILE")]
    pub config_file: Vec<PathBuf>,
    /// Directory of *.conf files, read in the order of their names after the files
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub config_dir: Vec<PathBuf>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the service: the API and the engine
    Serve {
        /// Stop when the process that started it dies
        #[arg(long)]
        stop_with_parent: bool,
    },
    /// Create a real Docker Swarm on this machine, through the API, on a simulated OpenStack
    Demo(DemoArguments),
    /// Run the OpenStack simulator by itself
    Simcloud(SimcloudArguments),
    /// Bring the database's schema up to date
    Db,
    /// Keys that seal secrets at rest
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Drivers of clusters
    Drivers {
        #[command(subcommand)]
        command: DriversCommand,
    },
    /// Add-ons of Kubernetes clusters
    Addons {
        #[command(subcommand)]
        command: AddonsCommand,
    },
    /// Rules of who may do what
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Print the completion script of a shell
    Completion { shell: clap_complete::Shell },
}

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a new master key and seal every secret with it again
    Rotate,
}

#[derive(Subcommand)]
pub enum DriversCommand {
    /// Print every driver, what it builds, and whether the configuration offers it
    List {
        /// Also the labels that it knows
        #[arg(long)]
        labels: bool,
    },
}

#[derive(Subcommand)]
pub enum AddonsCommand {
    /// Print every add-on with its labels and versions
    List,
    /// Print one add-on with all that can be said of it
    Show {
        /// Its name
        name: String,
    },
    /// Print the objects that a cluster would be given, with words in <> for what only the cluster knows
    Render(AddonsRender),
}

#[derive(Args)]
pub struct AddonsRender {
    /// Only this one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Version of Kubernetes, such as v1.31.2
    #[arg(long, value_name = "VERSION")]
    pub kube_version: String,
    /// Network driver of the template, where that is an add-on
    #[arg(long, value_name = "NAME")]
    pub network_driver: Option<String>,
    /// Label of the cluster, may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print a commented configuration file with every option
    Sample,
    /// Read the configuration as the service would, and report what is wrong or unknown
    Check,
}

#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Print a commented policy file with every rule
    Sample,
    /// Print every rule as it is in force, defaults and policy files together
    List,
    /// Check policy files, or what they grant to a token; exits with 1 if something is wrong or refused
    Check(PolicyCheck),
}

#[derive(Args)]
pub struct PolicyCheck {
    /// Policy files to check in place of the configured ones
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Keystone's JSON about a token, or a JSON object of credentials; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// JSON object of what is asked for; the token's own project and user if left out
    #[arg(long, value_name = "JSON", requires = "token")]
    pub target: Option<String>,
    /// Rule to check, may be given several times; all of them if left out
    #[arg(long, value_name = "NAME", requires = "token")]
    pub rule: Vec<String>,
}

/// What servers of the simulated cloud are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nodes {
    /// Debian machines that boot on this one
    Real,
    /// Rows of a table
    StateOnly,
}

/// What the demo creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoCoe {
    /// A Docker Swarm
    Swarm,
    /// Kubernetes 1.20.2 of an image that `cargo xtask e2e kubernetes` makes
    Kubernetes,
}

#[derive(Args)]
pub struct DemoArguments {
    /// Go on by itself: run a service on the cluster, check it, delete the cluster, stop, exit 0 if all went well
    #[arg(long)]
    pub once: bool,
    /// Only start the cloud and the service, and create nothing
    #[arg(long, conflicts_with = "once")]
    pub empty: bool,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    /// What the simulated servers are
    #[arg(long, value_enum, default_value_t = Nodes::Real)]
    pub nodes: Nodes,
    /// Managers of the swarm, or masters; an odd number
    #[arg(long, default_value_t = 1)]
    pub masters: u32,
    /// Workers
    #[arg(long, default_value_t = 2)]
    pub workers: u32,
    /// Also give the cluster new certificate authorities, while clients go on asking it; more than one master
    #[arg(long, requires = "once")]
    pub rotate: bool,
    /// Root file system of real machines, instead of the one that is made here
    #[arg(long, value_name = "DIRECTORY")]
    pub image_root: Option<PathBuf>,
    /// What the demo creates; Kubernetes needs an image root that has it
    #[arg(long, value_enum, default_value_t = DemoCoe::Swarm)]
    pub coe: DemoCoe,
    /// Where the demo keeps its files; emptied at its start
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/tmp/jeroboam-demo")]
    pub state_dir: PathBuf,
    /// Port of the Magnum API; 0 takes a free one
    #[arg(long, default_value_t = 9511)]
    pub port: u16,
    /// Port of the simulated OpenStack; 0 takes a free one
    #[arg(long, default_value_t = 9500)]
    pub cloud_port: u16,
}

#[derive(Args)]
pub struct SimcloudArguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:9500")]
    pub listen: SocketAddr,
    /// Seed of ids and faults
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What servers are
    #[arg(long, value_enum, default_value_t = Nodes::StateOnly)]
    pub nodes: Nodes,
    /// Root file system of real machines, instead of the one that is made here
    #[arg(long, value_name = "DIRECTORY")]
    pub image_root: Option<PathBuf>,
    /// Where real machines keep their disks
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/tmp/jeroboam-simcloud")]
    pub state_dir: PathBuf,
    /// URL of the container-infra endpoint in the catalog
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9511/v1")]
    pub container_infra: String,
    /// Quotas without limits
    #[arg(long)]
    pub roomy: bool,
    /// Only build the base image of real machines, then exit
    #[arg(long)]
    pub prepare: bool,
}
