"""Add-ons on machines: one of an operator's own catalogue that runs, and others whose images nobody can pull."""

import ipaddress
import time
from concurrent.futures import ThreadPoolExecutor

from .cloud import check, wait
from .kube import Kube, page

# Of the Service of the add-on `page`.
NODE_PORT = 30_090

# Seconds from when an image is first known not to be pulled until the creation has failed.
SOON = 75

# What cannot run here: the template that asks for it, and the image that is to be named.
LOST = {
    "lost": ({"labels": {"lost_enabled": "true"}}, "localhost/kube/lost:v1"),
    "metrics-server": ({"labels": {"metrics_server_enabled": "true"}}, "localhost/kube/metrics-server:v0.5.2"),
    "cloud-controller-manager": ({"labels": {"cloud_provider_enabled": "true"}},
                                 "localhost/kube/openstack-cloud-controller-manager:v1.20.2"),
    "flannel": ({"network_driver": "flannel", "labels": {"flannel_backend": "vxlan", "flannel_network_subnetlen": "26"}},
                "localhost/kube/flannel-cni-plugin:v1.9.1-flannel3"),
}


def says(cluster, words):
    """The page's words are answered through every worker."""
    for address in cluster["node_addresses"]:
        wait(f"the page at {address} says {words!r}", lambda: page(address, NODE_PORT, "/page/words") == words, 60)


def find(kube, *what):
    return kube.show("--namespace", "kube-system", *what)


def runs(kube, nodes):
    """Every pod of the add-on is ready at this very moment."""
    deployment, daemons = find(kube, "deployment", "page")["status"], find(kube, "daemonset", "page-everywhere")["status"]
    check(deployment.get("readyReplicas") == deployment.get("updatedReplicas") == 1, f"the Deployment is {deployment}")
    check(daemons.get("numberReady") == daemons.get("updatedNumberScheduled") == nodes, f"the DaemonSet is {daemons}")


def what_is_deleted_or_changed_is_put_back(cloud, kube, cluster):
    """Somebody deletes the Deployment, changes the words and takes the Service away, and adds a word of his own."""
    before = find(kube, "deployment", "page")["metadata"]["uid"]
    kube.run("annotate", "--namespace", "kube-system", "configmap", "page", "mine=kept")
    kube.run("delete", "--namespace", "kube-system", "deployment/page", "service/page")
    kube.run("patch", "--namespace", "kube-system", "configmap", "page", "--patch", '{"data": {"words": "something else"}}')
    begun = time.monotonic()
    told = set()

    def is_whole():
        shown = cloud.call("GET", f"clusters/{cluster['uuid']}", 200)
        told.add(shown["health_status_reason"].get("add_ons"))
        found = find(kube, "deployments", "-l", "app.kubernetes.io/managed-by=jeroboam")["items"]
        is_new = found and found[0]["metadata"]["uid"] != before and found[0]["status"].get("readyReplicas") == 1
        return is_new and shown["health_status_reason"].get("add_ons") is None
    wait("the add-on is whole again", is_whole, 180, 1)
    seconds = time.monotonic() - begun
    says(cluster, "hello, version v1")
    check(find(kube, "configmap", "page")["metadata"]["annotations"].get("mine") == "kept", "an annotation of the tenant's is gone")
    shown = cloud.call("GET", f"clusters/{cluster['uuid']}", 200)
    check(shown["status"] == cluster["status"], f"the cluster is {shown['status']}")
    told = sorted(words for words in told if words)
    check(any("and is applied again" in words for words in told), f"health_status_reason said {told}")
    return f"{seconds:.0f} s; {'; '.join(told)}"


def step_of(cloud, cluster, name):
    """How far an add-on is."""
    found = cloud.call("GET", f"clusters/{cluster}/steps", 200)["steps"]
    return next((one for one in found if one["resource"] == f"add-on:{name}"), {})


def nobody_can_pull(cloud, name):
    """A creation fails with the image and the cause, and soon; gives the reason, and what is to be deleted."""
    (fields, image), begun = LOST[name], time.monotonic()
    template = cloud.template(name, **fields)
    body = {"name": name, "cluster_template_id": template, "master_count": 1, "node_count": 0, "create_timeout": 10}
    cluster = cloud.call("POST", "clusters", 202, **body)["uuid"]

    def known():
        return "cannot be pulled" in (step_of(cloud, cluster, name).get("seen") or "")
    wait(f"it is known that {image} cannot be pulled", known)
    since = time.monotonic()
    shown = cloud.settled(cluster, "CREATE_FAILED")
    seconds = time.monotonic() - since
    check(seconds < SOON, f"it took {seconds:.0f} s to give up")
    reason = shown["status_reason"]
    check(reason.startswith(f"add-on:{name}: image {image} cannot be pulled"), reason)
    check("connection refused" in reason, f"the cause is not told: {reason}")
    return f"after {since - begun:.0f} s known, {seconds:.0f} s later {reason}", shown


def addons(cloud, step, directory):
    template = cloud.template("with-page", labels={"page_enabled": "true", "page_words": "hello"})
    cluster, seconds = cloud.create("addons", template, master_count=1, node_count=1)
    kube = Kube(cloud, cluster, directory)
    runs(kube, 2)
    says(cluster, "hello, version v1")
    step(f"1 master, 1 worker and an add-on of the operator's own, which runs: CREATE_COMPLETE {seconds:.1f} s after POST")
    said = what_is_deleted_or_changed_is_put_back(cloud, kube, cluster)
    step(f"what was deleted and changed of it is put back: {said}")
    cloud.client("coe", "cluster", "resize", cluster["name"], "2")
    cluster = cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    runs(kube, 3)
    says(cluster, "hello, version v1")
    step("resized to 2 workers: complete when it runs on the new one too")
    return cluster


def has_a_range(cloud, cluster, directory):
    """The controller manager gave the master what flannel waits for."""
    nodes = Kube(cloud, cluster, directory).nodes().values()
    ranges = [ipaddress.ip_network(node["spec"].get("podCIDR", "0.0.0.0/0")) for node in nodes]
    pods = ipaddress.ip_network("10.100.0.0/16")
    check(len(ranges) == 1 and ranges[0].subnet_of(pods) and ranges[0].prefixlen == 26, f"the nodes have {ranges}")
    return str(ranges[0])


def lost(cloud, step, directory):
    """Clusters that fail; gives them."""
    with ThreadPoolExecutor(len(LOST)) as together:
        ended = list(together.map(lambda name: nobody_can_pull(cloud, name), LOST))
    for (said, _), name in zip(ended, LOST):
        step(f"{name}: {said}")
    clusters = {name: cluster for (_, cluster), name in zip(ended, LOST)}
    step(f"flannel's master has the range {has_a_range(cloud, clusters['flannel'], directory)}")
    return list(clusters.values())
