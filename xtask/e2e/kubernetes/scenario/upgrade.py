"""Another number of masters, and an upgrade of all of a cluster, while a client writes."""

import json
import os
import subprocess
import time

from .addons import says
from .cloud import PATIENCE, check, wait
from .kube import Kube
from .masters import Writer

LATER = "v1.20.3"

# etcdctl in the pod of an etcd, with the keys that it finds there.
KEYS = "/etc/kubernetes/pki/etcd"
ETCDCTL = ["etcdctl", "--endpoints=https://127.0.0.1:2379", f"--cacert={KEYS}/ca.crt", f"--cert={KEYS}/server.crt",
           f"--key={KEYS}/server.key"]


def masters_of(names):
    return sorted(name for name in names if "master" in name)


def members(kube, node):
    """Names of etcd's members, as the one on a node knows them."""
    said = kube.run("exec", "--namespace", "kube-system", f"etcd-{node}", "--", *ETCDCTL, "member", "list", "-w", "json")
    return sorted(member.get("name", "") for member in json.loads(said)["members"])


def is_whole(cloud, kube, cluster, count):
    """Servers, nodes and members of etcd are the same, and nothing of how they changed is left behind."""
    servers = cloud.servers(cluster["uuid"])
    masters = masters_of(servers)
    check(len(masters) == count, f"there are the masters {masters}")
    check(set(kube.nodes()) == set(servers), f"nodes {sorted(kube.nodes())} are not the servers {sorted(servers)}")
    for node in masters:
        known = members(kube, node)
        check(known == masters, f"{node} knows the members {known}, and there are {masters}")
    pods = kube.show("pods", "--namespace", "kube-system", "-l", "app.kubernetes.io/managed-by=jeroboam")["items"]
    check(not pods, f"left behind: {[pod['metadata']['name'] for pod in pods]}")
    return masters


def served_by_all(cloud, kube, cluster, masters):
    """The API's certificate on each master is for that master's floating IP too."""
    addresses = [address for group in cloud.call("GET", f"clusters/{cluster['uuid']}/nodegroups", 200)["nodegroups"]
                 if group["role"] == "master"
                 for address in cloud.call("GET", f"clusters/{cluster['uuid']}/nodegroups/{group['uuid']}", 200)["node_addresses"]]
    check(len(addresses) == len(masters), f"the masters have the addresses {addresses}")
    for address in addresses:
        wait(f"the API answers at {address}", lambda: kube.answers(f"https://{address}:6443"), 60, 1)


def snapshots_are_kept(cloud, masters):
    """On the master that was made anew first are snapshots of the moments before the others left, and they are whole."""
    first, *others = masters
    directory = os.path.join(cloud.disk(cloud.tenant.compute.find_server(first).id), "var/lib/jeroboam/etcd")
    for other in others:
        path = os.path.join(directory, f"before-{other}.db")
        check(os.path.exists(path), f"there is no snapshot of before {other} on {first}")
        check(os.stat(path).st_mode & 0o077 == 0, f"others may read {path}")
        etcdctl = os.path.join(os.path.dirname(os.environ["E2E_KUBECTL"]), "etcdctl")
        said = subprocess.run([etcdctl, "snapshot", "status", path, "-w", "json"], capture_output=True, text=True, check=False)
        check(said.returncode == 0 and json.loads(said.stdout)["totalKey"] > 0, f"{path}: {said.stdout}{said.stderr}")


class Writing:
    """Writes while something changes: none that was acknowledged is lost, and none fails at two tries.

    With `pauses` some may fail: etcd of one member that becomes one of two stands still until the second has started.
    """

    def __init__(self, kube, cluster, pauses=False):
        self.writer, self.pauses = Writer(kube, cluster["api_address"]), pauses

    def __enter__(self):
        time.sleep(3)
        return self

    def __exit__(self, kind, *_):
        time.sleep(3 if kind is None else 0)
        self.writer.stop()
        if kind is not None:
            return
        acknowledged = self.writer.acknowledged
        lost = {name for name, _ in acknowledged} - self.writer.stored()
        check(not lost, f"acknowledged and lost: {sorted(lost)}")
        check(self.pauses or not self.writer.failed, f"failed twice: {self.writer.failed}")
        check(len(acknowledged) >= 10, f"only {len(acknowledged)} writes")

    def __str__(self):
        acknowledged = self.writer.acknowledged
        longest = max(seconds for _, seconds in acknowledged)
        return (f"{len(acknowledged)} writes acknowledged, none lost, {len(self.writer.failed)} failed twice, "
                f"{self.writer.again} tries failed, the longest write took {longest:.1f} s")


def resized(cloud, cluster, count):
    cloud.client("coe", "cluster", "resize", cluster["name"], str(count), "--nodegroup", "default-master")
    return cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")


def versions(kube):
    return {node["status"]["nodeInfo"]["kubeletVersion"] for node in kube.nodes().values()}


def next_template(cloud):
    """A template of another image with the later version."""
    original = next(cloud.tenant.image.images(name="debian-12-docker"))
    cloud.tenant.image.create_image("debian-12-later", disk_format="raw", container_format="bare", data=b"later",
                                    os_distro=original.os_distro, validate_checksum=False)
    labels = {"kube_tag": LATER, "page_enabled": "true", "page_tag": "v2"}
    return cloud.template("later", master_lb_enabled=True, image_id="debian-12-later", labels=labels)


def upgrade(cloud, step, directory):
    template = cloud.template("grows", master_lb_enabled=True, labels={"page_enabled": "true"})
    cluster, seconds = cloud.create("upgrade", template, master_count=1, node_count=1)
    says(cluster, "nothing, version v1")
    step(f"1 master behind a load balancer, 1 worker and an add-on: CREATE_COMPLETE {seconds:.1f} s after POST")
    kube = Kube(cloud, cluster, directory)
    with Writing(kube, cluster, pauses=True) as writing:
        cluster = resized(cloud, cluster, 3)
    masters = is_whole(cloud, kube, cluster, 3)
    served_by_all(cloud, kube, cluster, masters)
    step(f"resized to 3 masters: {writing}")

    later = next_template(cloud)
    before = cloud.servers(cluster["uuid"])
    with Writing(kube, cluster) as writing:
        cloud.client("coe", "cluster", "upgrade", cluster["name"], later)
        # Four machines, one after the other.
        cluster = cloud.settled(cluster["uuid"], "UPDATE_COMPLETE", 4 * PATIENCE)
    masters = is_whole(cloud, kube, cluster, 3)
    after = cloud.servers(cluster["uuid"])
    check(not set(before.values()) & set(after.values()), "a server of before is still there")
    check(versions(kube) == {LATER}, f"the kubelets are of {versions(kube)}")
    check(cluster["coe_version"] == LATER, f"the cluster shows {cluster['coe_version']}")
    check(cluster["cluster_template_id"] == later, "the cluster is not of the new template")
    says(cluster, "nothing, version v2")
    served_by_all(cloud, kube, cluster, masters)
    snapshots_are_kept(cloud, masters)
    wait(f"kube-proxy is of {LATER}", lambda: LATER in kube.run(
        "get", "daemonset", "--namespace", "kube-system", "kube-proxy", "-o", "jsonpath={..image}"), 120, 1)
    step(f"upgraded to {LATER}, masters, worker and add-on: {writing}")

    with Writing(kube, cluster) as writing:
        cluster = resized(cloud, cluster, 1)
    is_whole(cloud, kube, cluster, 1)
    step(f"resized to 1 master: {writing}")
    cloud.call("DELETE", f"clustertemplates/{template}", 204)
    cloud.tenant.image.delete_image(next(cloud.tenant.image.images(name="debian-12-later")))
    return cluster
