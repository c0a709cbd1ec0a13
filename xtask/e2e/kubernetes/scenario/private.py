"""A private cluster: the service has no way to its API, and its masters come for the calls."""

import os
import time

import requests

from .addons import find, runs
from .cloud import PATIENCE, check, wait
from .heal import died, health, replaced
from .kube import Kube
from .upgrade import is_whole, masters_of, resized

# A look at the health that nobody answers takes some seconds.
PATIENT = {"OS_KUBERNETES__HEALTH_POLLING_INTERVAL": "20"}

LABELS = {"private_cluster_enabled": "true", "virtual_ip_enabled": "true", "auto_healing_enabled": "true",
          "page_enabled": "true", "page_words": "hello"}


class Within(Kube):
    """A tenant's client on a server of the cluster's own network."""

    def __init__(self, cloud, cluster, server, directory):
        super().__init__(cloud, cluster, directory)
        self.through = ("nsenter", "-t", cloud.first_process(server), "-n", "--")


def workers_of(cloud, cluster):
    """Names and uuids of the workers, the newest last."""
    servers = cloud.servers(cluster["uuid"])
    return sorted((name, server) for name, server in servers.items() if "worker" in name)


def nobody_reaches(kube, cluster):
    """The API does not answer where the service runs."""
    here = requests.Session()
    here.trust_env, here.verify = False, os.path.join(kube.directory, "ca.pem")
    try:
        here.get(f"{cluster['api_address']}/readyz", timeout=3)
    except requests.RequestException:
        return
    check(False, f"the API answers at {cluster['api_address']}, where the service runs")


def what_is_deleted_is_put_back(cloud, kube):
    kube.run("delete", "--namespace", "kube-system", "deployment/page")
    begun = time.monotonic()

    def is_whole_again():
        found = find(kube, "deployments", "-l", "app.kubernetes.io/managed-by=jeroboam")["items"]
        return found and found[0]["status"].get("readyReplicas") == 1
    wait("the add-on is whole again", is_whole_again, 180, 1)
    return time.monotonic() - begun


def masters_stop_asking(cloud, cluster):
    """The program on the only master stops; then the cluster is unhealthy, and says why."""
    (master,) = masters_of(cloud.servers(cluster["uuid"]))
    server = cloud.servers(cluster["uuid"])[master]
    cloud.inside(server, "systemctl", "stop", "jeroboam-relay.service")
    said = health(cloud, cluster, "UNHEALTHY")["api"]
    check("no master of this private cluster asks for its calls" in said, said)
    cloud.inside(server, "systemctl", "start", "jeroboam-relay.service")
    health(cloud, cluster, "HEALTHY")
    return said


def private(cloud, step, directory):
    template = cloud.template("private", master_lb_enabled=False, floating_ip_enabled=False, labels=LABELS)
    cluster, seconds = cloud.create("private", template, master_count=1, node_count=1)
    check(not cloud.left().get("floatingips"), "there are floating IPs")
    kube = Within(cloud, cluster, workers_of(cloud, cluster)[0][1], directory)
    nobody_reaches(kube, cluster)
    runs(kube, 2)
    step(f"1 master, 1 worker and an add-on, which runs; nobody reaches the API from outside: CREATE_COMPLETE {seconds:.1f} s after POST")
    seconds = what_is_deleted_is_put_back(cloud, kube)
    step(f"what was deleted of the add-on is put back: {seconds:.0f} s")
    said = masters_stop_asking(cloud, cluster)
    step(f"the master stops asking, and asks again: {said}")
    cluster = resized(cloud, cluster, 3)
    is_whole(cloud, kube, cluster, 3)
    step("resized to 3 masters")
    lost = masters_of(cloud.servers(cluster["uuid"]))[0]
    missed, servers = died(cloud, cluster, lost)
    said = replaced(cloud, kube, cluster, lost, servers)
    is_whole(cloud, kube, cluster, 3)
    step(f"the first master loses its power ({missed}), and others ask for the calls: {said}")
    cloud.client("coe", "cluster", "resize", cluster["name"], "2")
    cluster = cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    name, server = workers_of(cloud, cluster)[-1]
    cloud.client("coe", "cluster", "resize", cluster["name"], "1", "--nodes-to-remove", server)
    cluster = cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    check(name not in kube.nodes(), f"the node {name} is still there")
    is_whole(cloud, kube, cluster, 3)
    step("a worker comes, is drained by name, and goes")
    cloud.client("coe", "ca", "rotate", cluster["name"])
    # Every machine three times, the masters one after the other.
    cluster = cloud.settled(cluster["uuid"], "UPDATE_COMPLETE", 6 * PATIENCE)
    kube = Within(cloud, cluster, workers_of(cloud, cluster)[0][1], directory)
    is_whole(cloud, kube, cluster, 3)
    runs(kube, 4)
    health(cloud, cluster, "HEALTHY")
    step("the authorities are rotated: masters are known by the new ones")
    return cluster
