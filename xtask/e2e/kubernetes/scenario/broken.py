"""Nodes that never join: what their creations fail with, and how soon."""

import time
from concurrent.futures import ThreadPoolExecutor

from .cloud import check

# How long a node is late before its console is read.
IMPATIENT = {"OS_ENGINE__DIAGNOSE_AFTER_SECS": "20"}

# Seconds from POST to CREATE_FAILED. Time-outs come after ten minutes.
SOON = 300

# Labels, and what is to be told of them.
BROKEN = {
    "registry": ({"container_infra_prefix": "nowhere.example/kube"},
                 "master-0: image nowhere.example/kube/kube-apiserver:v1.20.2 cannot be pulled: "),
    "etcd": ({"etcd_tag": "0.0.1"}, "master-0: image localhost/kube/etcd:0.0.1 cannot be pulled: "),
    "kubelet": ({"kubelet_options": "--no-such-flag=1"},
                "master-0: the kubelet does not start: unknown flag: --no-such-flag"),
}

# Of an image that is made for something else.
BARE = "server:master-0: kubeadm is missing: this image is not made for Kubernetes"


def fails(cloud, name, labels, told):
    """A creation fails soon and says why; gives the reason, and what is to be deleted."""
    template, begun = cloud.template(name, labels=labels), time.monotonic()
    body = {"name": name, "cluster_template_id": template, "master_count": 1, "node_count": 0, "create_timeout": 10}
    cluster = cloud.call("POST", "clusters", 202, **body)["uuid"]
    shown = cloud.settled(cluster, "CREATE_FAILED")
    seconds, reason = time.monotonic() - begun, shown["status_reason"]
    check(told in reason, f"{name}: {reason}")
    check(seconds < SOON, f"{name}: it took {seconds:.0f} s to fail with {reason}")
    return f"{name}: CREATE_FAILED {seconds:.0f} s after POST: {reason}", shown


def broken(cloud, step):
    """Clusters that fail; gives them."""
    with ThreadPoolExecutor(len(BROKEN)) as together:
        ended = list(together.map(lambda name: fails(cloud, name, *BROKEN[name]), BROKEN))
    for said, _ in ended:
        step(said)
    return [cluster for _, cluster in ended]


def bare(cloud, step):
    """A cluster of an image without Kubernetes."""
    said, cluster = fails(cloud, "bare", {}, BARE)
    step(said)
    return cluster
