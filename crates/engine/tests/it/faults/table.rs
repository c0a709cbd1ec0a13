//! Where each kind of step can fail, and who refuses then.

use jeroboam_simcloud::Service;

use super::Operation;
use super::steps::{Kind, Verb};

/// What makes a step fail for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A service of the cloud refuses a call: method, path, and the service's name in faults.
    Call(Service, &'static str, &'static str, &'static str),
    /// A server that is never built.
    StuckBuild,
    /// The cluster's API refuses.
    Kubernetes(&'static str),
    /// Nothing: it calls nobody, or as another step does.
    Never,
}

const fn compute(method: &'static str, path: &'static str) -> Cause {
    Cause::Call(Service::Compute, method, path, "compute")
}

const fn network(method: &'static str, path: &'static str) -> Cause {
    Cause::Call(Service::Network, method, path, "network")
}

const fn volume(method: &'static str, path: &'static str) -> Cause {
    Cause::Call(Service::Volume, method, path, "block-storage")
}

const fn balancer(method: &'static str, path: &'static str) -> Cause {
    Cause::Call(Service::LoadBalancer, method, path, "load-balancer")
}

const fn identity(method: &'static str, path: &'static str) -> Cause {
    Cause::Call(Service::Identity, method, path, "identity")
}

/// The cause for a kind of step. A kind that nobody has thought of fails the test.
pub fn cause((verb, kind): &Kind, operation: Operation) -> Cause {
    use Verb::{Await, Drop, Make};
    let deletes = operation == Operation::Delete;
    match (*verb, kind.as_str()) {
        (Make, "identity") => identity("POST", "*/users"),
        (Drop, "identity") => identity("DELETE", "*/users/{id}"),
        (Make, "credential") => identity("PATCH", "*/users/{id}"),
        (Make, "application-credential") => identity("POST", "*/application_credentials"),
        (Drop, "application-credential") => identity("DELETE", "*/application_credentials/{id}"),

        (Make, "keypair") => compute("POST", "*/os-keypairs"),
        (Drop, "keypair") => compute("DELETE", "*/os-keypairs/*"),
        (Make, "server-group") => compute("POST", "*/os-server-groups"),
        (Drop, "server-group") => compute("DELETE", "*/os-server-groups/*"),
        (Make, "server") => compute("POST", "*/servers"),
        (Await, "server") => Cause::StuckBuild,
        (Drop, "server") => compute("DELETE", "*/servers/*"),

        (Make, "network") => network("POST", "*/networks"),
        (Drop, "network") => network("DELETE", "*/networks/*"),
        (Make, "subnet") => network("POST", "*/subnets"),
        (Drop, "subnet") => network("DELETE", "*/subnets/*"),
        (Make, "router") => network("POST", "*/routers"),
        (Drop, "router") => network("DELETE", "*/routers/*"),
        (Make, "router-interface") => network("PUT", "*/add_router_interface"),
        (Drop, "router-interface") => network("PUT", "*/remove_router_interface"),
        (Make, "pod-route") => network("PUT", "*/add_extraroutes"),
        (Drop, "pod-route") => network("PUT", "*/remove_extraroutes"),
        (Make, "security-group") => network("POST", "*/security-groups"),
        (Drop, "security-group") => network("DELETE", "*/security-groups/*"),
        (Make, "port") => network("POST", "*/ports"),
        (Drop, "port") => network("DELETE", "*/ports/*"),
        (Make, "floating-ip") => network("POST", "*/floatingips"),
        (Drop, "floating-ip") => network("DELETE", "*/floatingips/*"),

        (Make, "volume" | "etcd-volume" | "extra-volume-0") => volume("POST", "*/volumes"),
        (Await, "volume" | "etcd-volume" | "extra-volume-0") => volume("GET", "*/volumes/{id}"),
        (Drop, "volume" | "etcd-volume" | "extra-volume-0") => volume("DELETE", "*/volumes/*"),

        (Make, "load-balancer") => balancer("POST", "*/loadbalancers"),
        (Await, "load-balancer") => balancer("GET", "*/loadbalancers/{id}"),
        (Drop, "load-balancer") => balancer("DELETE", "*/loadbalancers/*"),
        (Make, "pool") => balancer("PUT", "*/members"),
        (Await, "pool") => balancer("GET", "*/loadbalancers/{id}"),
        // Emptied by the call that fills it; or it goes with its load balancer.
        (Drop, "pool") => Cause::Never,
        // What is looked for is a list.
        (Drop, "leftovers") => balancer("GET", "*/loadbalancers"),

        (Make | Await, "coe") => Cause::Kubernetes("check"),
        (Make | Await, "add-on") => Cause::Kubernetes("add_on"),
        (Make | Await, "trust") => Cause::Kubernetes("settle_trust"),
        // Nobody serves yet, nor is anybody left to miss a node.
        (Make | Await, "member") if operation.asks_masters() => Cause::Kubernetes("serves"),
        (Make | Await, "member") => Cause::Never,
        (Drop, "member") if !deletes => Cause::Kubernetes("leave"),
        (Drop, "member") => Cause::Never,

        // Kept in the service's own database.
        (Make | Drop, "certificates") => Cause::Never,
        // Entries of the ledger alone.
        (Make, "leftovers") | (Drop, "coe" | "trust" | "credential") => Cause::Never,
        // Renewed in its place, or gone with its cluster.
        (Drop, "add-on") => Cause::Never,
        (verb, kind) => panic!("{operation:?} takes a step that is not in the table: {verb:?} {kind}"),
    }
}
