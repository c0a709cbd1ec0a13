//! Wishes to try drivers with.
#![expect(clippy::unwrap_used, reason = "for tests")]

mod server;

use std::collections::BTreeMap;

use chrono::DateTime;
use jeroboam_driver::ask::Resolved;
use jeroboam_driver::{Access, Ask, Authority, CertificateRequest, Certificates};
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER, first_nodes};
use jeroboam_types::{
    Cluster, ClusterId, ClusterName, ClusterTemplate, Coe, Labels, NodeGroup, NodeGroupId, ServerType,
    Status, TemplateId,
};
use serde_json::Value;

pub use server::{
    Answers, Requests, TestCertificates, certificates, socket_server, tls_server, tls_server_by,
    tls_server_for_all, tls_server_seen,
};

/// An administrator's way to a COE's API, with a client certificate of some authority.
pub fn access(address: String, signer: Authority) -> Access {
    let request = CertificateRequest {
        common_name: "admin".into(),
        organizations: vec!["system:masters".into()],
        addresses: vec![],
        names: vec![],
        server: false,
        client: true,
        days: None,
    };
    Access {
        address,
        authority: Some(certificates().authority(Authority::Cluster).unwrap()),
        client: Some(certificates().issue(signer, &request).unwrap()),
        relay: None,
    }
}

/// A node group of a size.
pub fn group(name: &str, role: &str, node_count: i32) -> NodeGroup {
    NodeGroup {
        id: 0,
        uuid: NodeGroupId(uuid::Uuid::from_u128(7)),
        name: name.into(),
        cluster_id: ClusterId(uuid::Uuid::from_u128(1)),
        project_id: "p".into(),
        docker_volume_size: None,
        labels: Labels::default(),
        flavor_id: None,
        image_id: None,
        node_addresses: vec![],
        node_count,
        nodes: first_nodes(node_count),
        max_node_count: None,
        min_node_count: None,
        role: role.into(),
        is_default: true,
        stack_id: None,
        status: Status::CreateInProgress,
        status_reason: None,
        version: None,
        node_labels: BTreeMap::new(),
        node_taints: vec![],
        roll: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: None,
    }
}

/// A wish of so many masters and workers, with floating IPs and an external network.
pub fn ask(masters: i32, workers: i32) -> Ask {
    Ask {
        cluster: Cluster {
            uuid: ClusterId(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
            project_id: "p".into(),
            user_id: "u".into(),
            name: ClusterName::try_from("demo".to_owned()).unwrap(),
            cluster_template_id: TemplateId(uuid::Uuid::from_u128(2)),
            keypair: None,
            docker_volume_size: None,
            labels: Labels::default(),
            master_flavor_id: Some("m1.small".into()),
            flavor_id: Some("m1.small".into()),
            fixed_network: None,
            fixed_subnet: None,
            floating_ip_enabled: None,
            master_lb_enabled: None,
            create_timeout: None,
            discovery_url: None,
            stack_id: None,
            status: Status::CreateInProgress,
            status_reason: None,
            health_status: None,
            health_status_reason: BTreeMap::new(),
            api_address: None,
            coe_version: None,
            container_version: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: None,
        },
        template: ClusterTemplate {
            uuid: TemplateId(uuid::Uuid::from_u128(2)),
            project_id: "p".into(),
            user_id: "u".into(),
            name: None,
            coe: Coe::SwarmMode,
            image_id: "debian-12".into(),
            flavor_id: None,
            master_flavor_id: None,
            keypair_id: None,
            external_network_id: None,
            fixed_network: None,
            fixed_subnet: None,
            dns_nameserver: Some("9.9.9.9, 1.1.1.1".into()),
            network_driver: Some("docker".into()),
            volume_driver: None,
            apiserver_port: None,
            docker_volume_size: None,
            docker_storage_driver: None,
            cluster_distro: None,
            driver: None,
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            insecure_registry: None,
            labels: Labels::default(),
            server_type: ServerType::Vm,
            registry_enabled: false,
            tls_disabled: false,
            public: false,
            hidden: false,
            master_lb_enabled: false,
            floating_ip_enabled: true,
            tags: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: None,
        },
        groups: vec![
            group(DEFAULT_MASTER, "master", masters),
            group(DEFAULT_WORKER, "worker", workers),
        ],
        resolved: Resolved {
            image_id: "image-id".into(),
            flavors: BTreeMap::from([("m1.small".into(), "flavor-id".into())]),
            external_network_id: Some("public-id".into()),
            ..Resolved::default()
        },
    }
}

/// The wish with one of its values replaced, by the path in its JSON form.
pub fn with(ask: &Ask, path: &str, value: Value) -> Ask {
    let mut text = serde_json::to_value(ask).unwrap();
    match text.pointer_mut(path) {
        Some(old) => *old = value,
        None => {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let parent = text.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            parent.insert(key.into(), value);
        }
    }
    serde_json::from_value(text).unwrap()
}
