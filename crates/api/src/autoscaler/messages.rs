//! Messages of the protocol `externalgrpc` of the cluster autoscaler: field numbers are those of kubernetes/autoscaler,
//! `cluster-autoscaler/cloudprovider/externalgrpc/protos/externalgrpc.proto`, and those of a node Kubernetes' own
//! (`k8s.io/api/core/v1/generated.proto`). What is not read or written here is left out.

use std::collections::BTreeMap;

use prost::Message;

/// `NodeGroup`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeGroup {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(int32, tag = "2")]
    pub(crate) min_size: i32,
    #[prost(int32, tag = "3")]
    pub(crate) max_size: i32,
    /// For people.
    #[prost(string, tag = "4")]
    pub(crate) debug: String,
}

/// `ExternalGrpcNode`, without labels and annotations.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    /// `openstack:///<id of the server>`
    #[prost(string, tag = "1")]
    pub(crate) provider_id: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

/// Requests and answers without fields.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Nothing {}

/// `NodeGroupsResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeGroups {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node_groups: Vec<NodeGroup>,
}

/// `NodeGroupForNodeRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ForNode {
    #[prost(message, optional, tag = "1")]
    pub(crate) node: Option<Node>,
}

/// `NodeGroupForNodeResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GroupOfNode {
    #[prost(message, optional, tag = "1")]
    pub(crate) node_group: Option<NodeGroup>,
}

/// Requests that name a group by their field 1.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Named {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
}

/// `NodeGroupTargetSizeResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TargetSize {
    #[prost(int32, tag = "1")]
    pub(crate) target_size: i32,
}

/// `NodeGroupIncreaseSizeRequest` and `NodeGroupDecreaseTargetSizeRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resize {
    #[prost(int32, tag = "1")]
    pub(crate) delta: i32,
    #[prost(string, tag = "2")]
    pub(crate) id: String,
}

/// `NodeGroupDeleteNodesRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeleteNodes {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    pub(crate) id: String,
}

/// `NodeGroupNodesResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Instances {
    #[prost(message, repeated, tag = "1")]
    pub(crate) instances: Vec<Instance>,
}

/// `Instance`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Instance {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) status: Option<InstanceStatus>,
}

/// `InstanceStatus`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct InstanceStatus {
    #[prost(enumeration = "InstanceState", tag = "1")]
    pub(crate) state: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) error: Option<InstanceError>,
}

/// `InstanceState`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum InstanceState {
    Unspecified = 0,
    Running = 1,
    Creating = 2,
    Deleting = 3,
}

/// `InstanceErrorInfo`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct InstanceError {
    #[prost(string, tag = "1")]
    pub(crate) code: String,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    /// 1: the cloud is full; 99: anything else.
    #[prost(int32, tag = "3")]
    pub(crate) class: i32,
}

/// `NodeGroupTemplateNodeInfoResponse`: the same node in the field of releases before 1.35 and in that of later ones. An
/// embedded message and its bytes look the same.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Template {
    #[prost(message, optional, tag = "1")]
    pub(crate) node_info: Option<core::Node>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) node_bytes: Vec<u8>,
}

/// Kubernetes' own messages.
pub(crate) mod core {
    use super::{BTreeMap, Message};

    /// `v1.Node`
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Node {
        #[prost(message, optional, tag = "1")]
        pub(crate) metadata: Option<Metadata>,
        #[prost(message, optional, tag = "2")]
        pub(crate) spec: Option<Spec>,
        #[prost(message, optional, tag = "3")]
        pub(crate) status: Option<Status>,
    }

    /// `meta.v1.ObjectMeta`
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Metadata {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(btree_map = "string, string", tag = "11")]
        pub(crate) labels: BTreeMap<String, String>,
    }

    /// `v1.NodeSpec`
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Spec {
        #[prost(string, tag = "3")]
        pub(crate) provider_id: String,
        #[prost(message, repeated, tag = "5")]
        pub(crate) taints: Vec<Taint>,
    }

    /// `v1.Taint`
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Taint {
        #[prost(string, tag = "1")]
        pub(crate) key: String,
        #[prost(string, tag = "2")]
        pub(crate) value: String,
        #[prost(string, tag = "3")]
        pub(crate) effect: String,
    }

    /// `v1.NodeStatus`
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Status {
        #[prost(btree_map = "string, message", tag = "1")]
        pub(crate) capacity: BTreeMap<String, Quantity>,
        #[prost(btree_map = "string, message", tag = "2")]
        pub(crate) allocatable: BTreeMap<String, Quantity>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) conditions: Vec<Condition>,
    }

    /// `resource.Quantity`
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Quantity {
        #[prost(string, tag = "1")]
        pub(crate) text: String,
    }

    /// `v1.NodeCondition`
    #[derive(Clone, PartialEq, Message)]
    pub(crate) struct Condition {
        #[prost(string, tag = "1")]
        pub(crate) kind: String,
        #[prost(string, tag = "2")]
        pub(crate) status: String,
    }
}
