//! The unmodified clients from PyPI against a running service.

mod matrix;
mod others;

use std::process::Command;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_client_creates_uses_and_deletes_a_cluster() {
    let rig = Rig::start().await;
    rig.demo(&[
        "coe",
        "cluster",
        "template",
        "create",
        "swarm",
        "--coe",
        "swarm-mode",
        "--image",
        "debian-12-docker",
        "--external-network",
        "public",
        "--flavor",
        "m1.small",
        "--docker-storage-driver",
        "overlay2",
    ])
    .await;
    let listed = rig.demo_json(&["coe", "cluster", "template", "list"]).await;
    assert_eq!(listed[0]["name"], "swarm");
    let shown = rig
        .demo_json(&["coe", "cluster", "template", "show", "swarm"])
        .await;
    assert_eq!(
        (&shown["uuid"], &shown["coe"]),
        (&listed[0]["uuid"], &"swarm-mode".into())
    );

    let accepted = rig
        .demo(&[
            "coe",
            "cluster",
            "create",
            "first",
            "--cluster-template",
            "swarm",
            "--node-count",
            "2",
        ])
        .await;
    assert!(accepted.contains("accepted"), "{accepted}");
    let cluster = rig.wait_status("first", "CREATE_COMPLETE").await;
    assert!(cluster["api_address"].as_str().unwrap().starts_with("tcp://"));
    assert_eq!(cluster["node_addresses"].as_array().map(Vec::len), Some(2));
    let listed = rig.demo_json(&["coe", "cluster", "list"]).await;
    assert_eq!(
        (&listed[0]["name"], &listed[0]["node_count"]),
        (&"first".into(), &2.into())
    );

    let groups = rig.demo_json(&["coe", "nodegroup", "list", "first"]).await;
    assert_eq!(groups.as_array().map(Vec::len), Some(2));
    let group = rig
        .demo_json(&["coe", "nodegroup", "show", "first", "default-worker"])
        .await;
    assert_eq!(
        (&group["node_count"], &group["is_default"]),
        (&2.into(), &true.into())
    );

    let authority = rig.demo(&["coe", "ca", "show", "first"]).await;
    assert!(authority.contains("BEGIN CERTIFICATE"));
    check_signing(&rig).await;
    check_config(&rig, &cluster).await;

    let services = rig
        .openstack("admin", "admin", &["coe", "service", "list", "-f", "json"])
        .await;
    let services: serde_json::Value = serde_json::from_slice(&services.stdout).unwrap();
    assert_eq!(
        (&services[0]["binary"], &services[0]["state"]),
        (&"magnum-conductor".into(), &"up".into())
    );

    rig.demo(&["coe", "cluster", "delete", "first"]).await;
    for _ in 0..100 {
        if rig.demo_json(&["coe", "cluster", "list"]).await == serde_json::json!([]) {
            break;
        }
    }
    rig.demo(&["coe", "cluster", "template", "delete", "swarm"]).await;
    assert!(
        rig.cloud.usage().is_empty(),
        "left behind: {:?}",
        rig.cloud.usage().items
    );
}

/// A request made by openssl, signed through the client, verified by openssl.
async fn check_signing(rig: &Rig) {
    let path = |name: &str| rig.directory.path().join(name).to_str().unwrap().to_owned();
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        &path("own.key"),
        "-out",
        &path("own.csr"),
        "-subj",
        "/O=one/O=two/CN=somebody",
    ]);
    std::fs::write(
        path("own.pem"),
        rig.demo(&["coe", "ca", "sign", "first", &path("own.csr")]).await,
    )
    .unwrap();
    std::fs::write(
        path("authority.pem"),
        rig.demo(&["coe", "ca", "show", "first"]).await,
    )
    .unwrap();
    openssl(&["verify", "-CAfile", &path("authority.pem"), &path("own.pem")]);
    let subject = openssl(&[
        "x509",
        "-in",
        &path("own.pem"),
        "-noout",
        "-subject",
        "-nameopt",
        "compat",
    ]);
    assert!(subject.contains("/O=one/O=two/CN=somebody"), "{subject}");
}

async fn check_config(rig: &Rig, cluster: &serde_json::Value) {
    let certs = rig.directory.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    let directory = certs.to_str().unwrap();
    let exports = rig
        .demo(&[
            "coe",
            "cluster",
            "config",
            "first",
            "--dir",
            directory,
            "--force",
            "--output-certs",
        ])
        .await;
    assert!(
        exports.contains(&format!(
            "export DOCKER_HOST={}",
            cluster["api_address"].as_str().unwrap()
        )),
        "{exports}"
    );
    assert!(exports.contains("DOCKER_TLS_VERIFY=True"), "{exports}");
    let file = |name: &str| certs.join(name).to_str().unwrap().to_owned();
    openssl(&[
        "verify",
        "-purpose",
        "sslclient",
        "-CAfile",
        &file("ca.pem"),
        &file("cert.pem"),
    ]);
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_client_changes_a_cluster() {
    let rig = Rig::start().await;
    let template = [
        "coe",
        "cluster",
        "template",
        "create",
        "swarm",
        "--coe",
        "swarm-mode",
    ];
    let cloud = [
        "--image",
        "debian-12-docker",
        "--external-network",
        "public",
        "--flavor",
        "m1.small",
    ];
    rig.demo(&[&template[..], &cloud[..]].concat()).await;
    rig.demo(&[
        "coe",
        "cluster",
        "create",
        "first",
        "--cluster-template",
        "swarm",
        "--node-count",
        "1",
    ])
    .await;
    rig.wait_status("first", "CREATE_COMPLETE").await;

    rig.demo(&["coe", "cluster", "resize", "first", "3"]).await;
    rig.wait_status("first", "UPDATE_COMPLETE").await;
    assert_eq!(rig.cloud.usage().count("servers"), 4);
    let server = rig
        .cloud
        .usage()
        .items
        .into_iter()
        .find(|item| item.name.ends_with("-worker-1"))
        .unwrap();
    rig.demo(&[
        "coe",
        "cluster",
        "resize",
        "first",
        "2",
        "--nodes-to-remove",
        &server.id,
    ])
    .await;
    rig.wait_status("first", "UPDATE_COMPLETE").await;
    let names: Vec<String> = rig
        .cloud
        .usage()
        .items
        .into_iter()
        .map(|item| item.name)
        .collect();
    assert!(names.iter().any(|name| name.ends_with("-worker-2")), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("-worker-1")), "{names:?}");
    rig.demo(&["coe", "cluster", "update", "first", "--node-count", "1"])
        .await;
    let shown = rig.wait_status("first", "UPDATE_COMPLETE").await;
    assert_eq!(shown["node_count"], 1);

    let create = [
        "coe",
        "nodegroup",
        "create",
        "first",
        "more",
        "--node-count",
        "1",
        "--labels",
        "a=b",
    ];
    rig.demo(&[&create[..], &["--merge-labels", "--max-nodes", "3"]].concat())
        .await;
    rig.wait_status("first", "UPDATE_COMPLETE").await;
    rig.demo(&["coe", "nodegroup", "update", "first", "more", "--min-nodes", "1"])
        .await;
    rig.wait_status("first", "UPDATE_COMPLETE").await;
    let group = rig
        .demo_json(&["coe", "nodegroup", "show", "first", "more"])
        .await;
    assert_eq!(
        (&group["status"], &group["min_node_count"]),
        (&"UPDATE_COMPLETE".into(), &1.into())
    );
    rig.demo(&["coe", "cluster", "resize", "first", "2", "--nodegroup", "more"])
        .await;
    rig.wait_status("first", "UPDATE_COMPLETE").await;
    rig.demo(&["coe", "nodegroup", "delete", "first", "more"]).await;
    rig.wait_status("first", "UPDATE_COMPLETE").await;
    let groups = rig.demo_json(&["coe", "nodegroup", "list", "first"]).await;
    assert_eq!(groups.as_array().map(Vec::len), Some(2));

    let template = [
        "coe",
        "cluster",
        "template",
        "create",
        "medium",
        "--coe",
        "swarm-mode",
    ];
    let of_template = [
        "--image",
        "debian-12-docker",
        "--external-network",
        "public",
        "--flavor",
        "m1.medium",
    ];
    let storage = ["--docker-storage-driver", "overlay2"];
    rig.demo(&[&template[..], &of_template, &storage].concat()).await;
    let upgrade = [
        "coe",
        "cluster",
        "upgrade",
        "first",
        "medium",
        "--max-batch-size",
        "2",
    ];
    rig.demo(&[&upgrade[..], &["--nodegroup", "default-worker"]].concat())
        .await;
    rig.wait_status("first", "UPDATE_COMPLETE").await;
    let group = rig
        .demo_json(&["coe", "nodegroup", "show", "first", "default-worker"])
        .await;
    assert_eq!(group["flavor_id"], "m1.medium");

    rig.demo(&["coe", "credential", "rotate", "first"]).await;
    for (refused, part) in [
        (&["coe", "ca", "rotate", "first"][..], "only manager"),
        (
            &["coe", "cluster", "upgrade", "first", "medium"][..],
            "only manager",
        ),
        (
            &["coe", "nodegroup", "delete", "first", "default-worker"][..],
            "default",
        ),
        (
            &[
                "coe",
                "cluster",
                "resize",
                "first",
                "1",
                "--nodes-to-remove",
                "nobody",
            ][..],
            "nobody",
        ),
    ] {
        let output = rig.openstack("demo", "demo", refused).await;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains(part), "{refused:?}: {text}");
    }
    rig.demo(&["coe", "cluster", "delete", "first"]).await;
    for _ in 0..100 {
        if rig.demo_json(&["coe", "cluster", "list"]).await == serde_json::json!([]) {
            break;
        }
    }
    assert!(
        rig.cloud.usage().is_empty(),
        "left behind: {:?}",
        rig.cloud.usage().items
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_told_what_is_wrong() {
    let rig = Rig::start().await;
    let missing = rig
        .openstack("demo", "demo", &["coe", "cluster", "show", "nowhere"])
        .await;
    let text = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        !missing.status.success() && text.contains("nowhere") && text.contains("404"),
        "{text}"
    );
    let refused = rig.openstack("demo", "demo", &["coe", "service", "list"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("403"));
    let fixed = [
        "coe",
        "cluster",
        "template",
        "create",
        "t",
        "--coe",
        "swarm",
        "--external-network",
        "public",
        "--image",
    ];
    let unknown = rig
        .openstack("demo", "demo", &[&fixed[..], &["no-such-image"]].concat())
        .await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no-such-image"));
}
