//! The protocol once more, as kubernetes/autoscaler's `externalgrpc.proto` has it, apart from what the service reads
//! and writes.

use std::collections::BTreeMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub struct NodeGroup {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(int32, tag = "2")]
    pub min_size: i32,
    #[prost(int32, tag = "3")]
    pub max_size: i32,
    #[prost(string, tag = "4")]
    pub debug: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeGroupsResponse {
    #[prost(message, repeated, tag = "1")]
    pub node_groups: Vec<NodeGroup>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ExternalGrpcNode {
    #[prost(string, tag = "1")]
    pub provider_id: String,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "4")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeGroupForNodeRequest {
    #[prost(message, optional, tag = "1")]
    pub node: Option<ExternalGrpcNode>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeGroupForNodeResponse {
    #[prost(message, optional, tag = "1")]
    pub node_group: Option<NodeGroup>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OfGroup {
    #[prost(string, tag = "1")]
    pub id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct TargetSizeResponse {
    #[prost(int32, tag = "1")]
    pub target_size: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct SizeRequest {
    #[prost(int32, tag = "1")]
    pub delta: i32,
    #[prost(string, tag = "2")]
    pub id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct DeleteNodesRequest {
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<ExternalGrpcNode>,
    #[prost(string, tag = "2")]
    pub id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodesResponse {
    #[prost(message, repeated, tag = "1")]
    pub instances: Vec<Instance>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Instance {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, optional, tag = "2")]
    pub status: Option<InstanceStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InstanceStatus {
    /// 1 running, 2 creating, 3 deleting.
    #[prost(int32, tag = "1")]
    pub state: i32,
    #[prost(message, optional, tag = "2")]
    pub error: Option<ErrorInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub code: String,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(int32, tag = "3")]
    pub class: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct TemplateResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub node_info: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub node_bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OptionsResponse {
    #[prost(message, optional, tag = "1")]
    pub options: Option<Empty>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<ObjectMeta>,
    #[prost(message, optional, tag = "2")]
    pub spec: Option<NodeSpec>,
    #[prost(message, optional, tag = "3")]
    pub status: Option<NodeStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ObjectMeta {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(btree_map = "string, string", tag = "11")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeSpec {
    #[prost(message, repeated, tag = "5")]
    pub taints: Vec<Taint>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Taint {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
    #[prost(string, tag = "3")]
    pub effect: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeStatus {
    #[prost(btree_map = "string, message", tag = "1")]
    pub capacity: BTreeMap<String, Quantity>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub allocatable: BTreeMap<String, Quantity>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Quantity {
    #[prost(string, tag = "1")]
    pub string: String,
}
