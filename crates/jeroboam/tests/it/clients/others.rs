//! Clients other than the newest command line: openstacksdk, Ansible's modules, an older release of the command
//! line, gophercloud's own acceptance tests.

use std::path::Path;
use std::process::{Command, Output};

use crate::rig::{Clients, Rig, http, installed};

/// Runs a client to its end and gives what it wrote; it must succeed.
async fn run(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{text}{}", String::from_utf8_lossy(&stderr));
    text
}

fn source(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/clients")
        .join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn openstacksdk_does_all_that_its_proxy_and_its_cloud_layer_can() {
    let rig = Rig::start().await;
    for clients in [Clients::Newest, Clients::Epoxy] {
        let mut command = clients.command("python");
        rig.log_in(&mut command, "demo");
        command.arg(source("sdk.py")).arg(rig.csr());
        run(command).await;
        assert!(
            rig.cloud.usage().is_empty(),
            "left behind: {:?}",
            rig.cloud.usage().items
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_run_twice_changes_nothing_the_second_time() {
    let rig = Rig::start().await;
    let home = rig.directory.path().join("ansible");
    let play = || {
        let mut command = Clients::Epoxy.command("ansible-playbook");
        rig.log_in(&mut command, "demo");
        command
            .arg(source("ansible.yml"))
            .env("ANSIBLE_HOME", &home)
            .env("ANSIBLE_LOCALHOST_WARNING", "false")
            .env("ANSIBLE_INVENTORY_UNPARSED_WARNING", "false")
            .env("ANSIBLE_NOCOLOR", "true")
            .env("ANSIBLE_PYTHON_INTERPRETER", Clients::Epoxy.program("python"))
            .env("LC_ALL", "C.UTF-8");
        command
    };
    let first = run(play()).await;
    assert!(first.contains("changed=2 "), "{first}");
    rig.wait_status("ansible", "CREATE_COMPLETE").await;
    let second = run(play()).await;
    assert!(
        second.contains("ok=2 ") && second.contains("changed=0 "),
        "{second}"
    );
    let remove = async |what: &str| -> String {
        let mut command = play();
        command.args(["--extra-vars", "state=absent", "--tags", what]);
        run(command).await
    };
    let removed = remove("cluster").await;
    assert!(removed.contains("changed=1 "), "{removed}");
    rig.wait_gone().await;
    let removed = remove("template").await;
    assert!(removed.contains("changed=1 "), "{removed}");
    let removed = remove("all").await;
    assert!(
        removed.contains("ok=2 ") && removed.contains("changed=0 "),
        "{removed}"
    );
    assert!(
        rig.cloud.usage().is_empty(),
        "left behind: {:?}",
        rig.cloud.usage().items
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_of_an_older_release_works_too() {
    let rig = Rig::start().await;
    let lines = [
        "coe cluster template create t --coe swarm --image debian-12-docker --external-network public \
         --flavor m1.small --labels worker_open_ports=80",
        "coe cluster template update t replace name=other labels=worker_open_ports=81",
        "coe cluster template show other -f value -c labels",
        "coe cluster create c --cluster-template other --node-count 1",
    ];
    let older = async |line: &str| -> String {
        let mut command = Clients::Epoxy.command("openstack");
        rig.log_in(&mut command, "demo");
        command.args(line.split_whitespace());
        run(command).await
    };
    let mut told = Vec::new();
    for line in lines {
        told.push(older(line).await);
    }
    assert_eq!(told[2].trim(), "{'worker_open_ports': '81'}");
    rig.wait_status("c", "CREATE_COMPLETE").await;
    for line in [
        "coe cluster list",
        "coe nodegroup list c",
        "coe ca show c",
        "coe cluster delete c",
    ] {
        older(line).await;
    }
    rig.wait_gone().await;
    older("coe cluster template delete other").await;
}

const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJXoHPcqjAR1RDVTDGTGqWkFBOvuJ3sxRn7GEgcfnhCx somebody\n";

/// gophercloud's acceptance tests of this service: who runs them, or why they are not run.
const GOPHERCLOUD: &[(&str, Result<&str, &str>)] = &[
    ("TestClusterTemplatesCRUD", Ok("demo")),
    ("TestClustersCRUD", Ok("demo")),
    ("TestNodeGroupsCRUD", Ok("demo")),
    ("TestQuotasCRUD", Ok("admin")),
    (
        "TestCertificatesCRUD",
        Err("it wants a cluster with a UUID that its author had, and its key of 1024 bits is refused"),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn gophercloud_s_own_acceptance_tests_pass() {
    // Its node groups are those of a Kubernetes cluster.
    let mut rig = Rig::prepare("enabled_beta_drivers = kubernetes\n", "http", http()).await;
    rig.start_service().await;
    let program = "containerinfra.test";
    let program = installed("gophercloud", program).join(program);
    let listed = Command::new(&program).args(["-test.list", "."]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in listed.lines().filter(|line| line.starts_with("Test")) {
        assert!(
            GOPHERCLOUD.iter().any(|(known, _)| *known == name),
            "{name} is new"
        );
    }
    let key = rig.directory.path().join("gopher.pub");
    std::fs::write(&key, PUBLIC_KEY).unwrap();
    let key = key.to_str().unwrap();
    rig.demo(&["keypair", "create", "--public-key", key, "gopher"])
        .await;
    let ids = rig.cloud.with_world(|world| {
        for image in world.glance.images.values_mut() {
            image
                .properties
                .insert("kube_version".to_owned(), "v1.33.1".into());
        }
        let flavor = |name: &str| {
            let mut flavors = world.nova.flavors.iter();
            flavors.find(|(_, flavor)| flavor.name == name).unwrap().0.clone()
        };
        let mut networks = world.neutron.networks.iter();
        [
            ("OS_FLAVOR_ID", flavor("m1.small")),
            ("OS_FLAVOR_ID_RESIZE", flavor("m1.medium")),
            ("OS_IMAGE_ID", world.glance.images.keys().next().unwrap().clone()),
            (
                "OS_MAGNUM_IMAGE_ID",
                world.glance.images.keys().next().unwrap().clone(),
            ),
            (
                "OS_EXTGW_ID",
                networks
                    .find(|(_, network)| network.is_external)
                    .unwrap()
                    .0
                    .clone(),
            ),
        ]
    });
    for (name, user) in GOPHERCLOUD {
        let Ok(user) = user else { continue };
        let mut command = Command::new(&program);
        rig.log_in(&mut command, user);
        command
            .args(["-test.v", "-test.run", &format!("^{name}$")])
            .envs(ids.clone())
            .env("OS_MAGNUM_KEYPAIR", "gopher")
            .env("OS_POOL_NAME", "public")
            .env("OS_DOMAIN_ID", "default")
            .env("OS_REGION_NAME", "RegionOne");
        let told = run(command).await;
        assert!(
            told.contains(&format!("--- PASS: {name}")) && !told.contains("SKIP"),
            "{told}"
        );
    }
}
