//! Every subcommand of `openstack coe`, in one table that is complete by construction: the client itself is asked
//! which there are.

use std::collections::BTreeSet;
use std::process::Output;

use crate::rig::{Clients, Rig};

/// What a line must come to.
enum Outcome {
    /// Success, with this on the standard output.
    Shows(&'static str),
    /// Failure, with this on the standard error output.
    Refused(&'static str),
    /// Success; after that the cluster gets the status.
    Then(&'static str),
    /// Success; after that there is no cluster any more.
    Gone,
}
use Outcome::{Gone, Refused, Shows, Then};

/// User and line; `PROJECT` and `CSR` stand for the project's id and a file with a signing request.
const LINES: &[(&str, &str, Outcome)] = &[
    (
        "demo",
        "cluster template create t --coe swarm-mode --image debian-12-docker --external-network public \
         --flavor m1.small --labels worker_open_ports=80,fixed_subnet_cidr=10.1.0.0/24 --tags one",
        Shows("worker_open_ports"),
    ),
    (
        "demo",
        "cluster template create u --coe swarm-mode --image debian-12-docker --external-network public \
         --labels boot_volume_size=big",
        Refused("labels.boot_volume_size: \"big\" is not a whole number of GiB"),
    ),
    (
        "demo",
        "cluster template list --fields coe,labels",
        Shows("swarm-mode"),
    ),
    (
        "demo",
        "cluster template update t --docker-volume-size 3 --label availability_zone=nova \
         --no-label worker_open_ports --tag two --registry-disabled --visible --floating-ip-enabled",
        Shows("{'availability_zone': 'nova', 'fixed_subnet_cidr': '10.1.0.0/24'}"),
    ),
    (
        "demo",
        "cluster template update t --public",
        Refused("clustertemplate:publish"),
    ),
    ("admin", "cluster template update t --public", Shows("public")),
    ("demo", "cluster template show t", Shows("two")),
    (
        "demo",
        "cluster create c --cluster-template t --node-count 2 --labels master_lb_floating_ip_enabled=no \
         --merge-labels --timeout 30 --master-lb-enabled",
        Then("CREATE_COMPLETE"),
    ),
    (
        "demo",
        "cluster list --sort-key name --sort-dir desc --limit 5",
        Shows("CREATE_COMPLETE"),
    ),
    ("demo", "cluster show c", Shows("tcp://")),
    (
        "demo",
        "cluster config c --dir CONFIG --output-certs",
        Shows("DOCKER_TLS_VERIFY=True"),
    ),
    ("demo", "cluster update c --node-count 3", Then("UPDATE_COMPLETE")),
    ("demo", "cluster resize c 1", Then("UPDATE_COMPLETE")),
    ("demo", "cluster upgrade c t", Then("UPDATE_COMPLETE")),
    ("demo", "nodegroup list c --role worker", Shows("default-worker")),
    ("demo", "nodegroup show c default-master", Shows("is_default")),
    (
        "demo",
        "nodegroup create c more --node-count 1",
        Then("UPDATE_COMPLETE"),
    ),
    (
        "demo",
        "nodegroup update c more --min-nodes 1",
        Then("UPDATE_COMPLETE"),
    ),
    ("demo", "nodegroup delete c more", Then("UPDATE_COMPLETE")),
    ("demo", "nodegroup delete c default-worker", Refused("default")),
    ("demo", "ca show c", Shows("BEGIN CERTIFICATE")),
    ("demo", "ca sign c CSR", Shows("BEGIN CERTIFICATE")),
    ("demo", "ca rotate c", Refused("only manager")),
    ("demo", "credential rotate c", Then("UPDATE_COMPLETE")),
    (
        "admin",
        "quotas create --project-id PROJECT --resource Cluster --hard-limit 5",
        Shows("hard_limit"),
    ),
    ("admin", "quotas list --all-tenants", Shows("Cluster")),
    (
        "admin",
        "quotas show --project-id PROJECT --resource Cluster",
        Shows("| 5 "),
    ),
    (
        "admin",
        "quotas update --project-id PROJECT --resource Cluster --hard-limit 7",
        Shows("| 7 "),
    ),
    (
        "admin",
        "quotas delete --project-id PROJECT --resource Cluster",
        Shows("has been accepted"),
    ),
    ("demo", "stats list PROJECT", Shows("clusters")),
    ("demo", "service list", Refused("magnum-service:get_all")),
    ("admin", "service list", Shows("magnum-conductor")),
    ("demo", "cluster delete c", Gone),
    ("demo", "cluster template delete t", Shows("has been accepted")),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_subcommand_of_openstack_coe_does_what_it_says() {
    let rig = Rig::start().await;
    let csr = rig.csr();
    let config = rig.directory.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let project = rig.project_id("demo");
    for (user, line, outcome) in LINES {
        let words: Vec<&str> = ["coe"].into_iter().chain(line.split_whitespace()).collect();
        let words: Vec<&str> = words
            .into_iter()
            .map(|word| match word {
                "PROJECT" => project.as_str(),
                "CSR" => csr.to_str().unwrap(),
                "CONFIG" => config.to_str().unwrap(),
                word => word,
            })
            .collect();
        let Output {
            status,
            stdout,
            stderr,
        } = rig.openstack(user, user, &words).await;
        let (out, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let told = format!("openstack coe {line}: {status}\n{out}{errors}");
        match outcome {
            Shows(part) => assert!(status.success() && out.contains(part), "{told}"),
            // Some subcommands report a failure and exit with 0 all the same.
            Refused(part) => assert!(format!("{out}{errors}").contains(part), "{told}"),
            Then(wanted) => {
                assert!(status.success(), "{told}");
                rig.wait_status("c", wanted).await;
            }
            Gone => {
                assert!(status.success(), "{told}");
                rig.wait_gone().await;
            }
        }
    }
    assert!(
        rig.cloud.usage().is_empty(),
        "left behind: {:?}",
        rig.cloud.usage().items
    );
}

#[test]
fn the_table_has_every_subcommand_that_the_client_has() {
    let program = "from importlib.metadata import entry_points\n\
                   for e in entry_points(group='openstack.container_infra.v1'): print(e.name.replace('_', ' '))";
    let output = Clients::Newest
        .command("python")
        .args(["-c", program])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let known: BTreeSet<&str> = text.lines().map(|line| line.trim_start_matches("coe ")).collect();
    assert!(known.len() > 25, "{known:?}");
    let untried: Vec<&&str> = known
        .iter()
        .filter(|command| {
            !LINES
                .iter()
                .any(|(_, line, _)| line.starts_with(&format!("{command} ")) || line == *command)
        })
        .collect();
    assert!(untried.is_empty(), "the table lacks {untried:?}");
}
