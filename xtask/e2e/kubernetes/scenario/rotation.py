"""New certificate authorities for a cluster of three masters, while a client writes."""

import os
import subprocess

from .cloud import check, wait
from .kube import Kube, deployment, page, service
from .upgrade import Writing, is_whole

NODE_PORT = 30090


def authorities(cloud, cluster):
    """Certificates of the API's authorities, as the service shows them."""
    pem = cloud.call("GET", f"certificates/{cluster['uuid']}", 200)["pem"]
    return [part.strip() for part in pem.split("-----END CERTIFICATE-----") if part.strip()]


def until(what, cloud, cluster, look):
    """Waits for a stage of the rotation, which must not have failed meanwhile."""
    def seen():
        shown = cloud.call("GET", f"clusters/{cluster['uuid']}", 200)
        check(not shown["status"].endswith("_FAILED"), f"{shown['status']}: {shown['status_reason']}")
        return look(shown)
    return wait(what, seen, 1200, 1)


def is_let_in(kube):
    done = subprocess.run([os.environ["E2E_KUBECTL"], "--kubeconfig", kube.config, "--request-timeout", "10s", "get", "nodes"],
                          capture_output=True, check=False, timeout=60)
    return done.returncode == 0


def rotation(cloud, step, directory):
    template = cloud.template("rotates", master_lb_enabled=True)
    cluster, seconds = cloud.create("rotation", template, master_count=3, node_count=1)
    step(f"3 masters behind a load balancer and 1 worker: CREATE_COMPLETE {seconds:.1f} s after POST")
    before = cloud.servers(cluster["uuid"])
    [old] = authorities(cloud, cluster)
    first = Kube(cloud, cluster, os.path.join(directory, "before"))
    first.apply(deployment("web", 1), service("web", NODE_PORT))
    first.running("web", 1)

    cloud.client("coe", "ca", "rotate", cluster["name"])
    overlap = authorities(cloud, cluster)
    check(len(overlap) == 2 and overlap[0] == old, f"{len(overlap)} authorities are shown")
    with Writing(Kube(cloud, cluster, os.path.join(directory, "stage-1")), cluster) as writing:
        until("the new authority signs", cloud, cluster, lambda _: authorities(cloud, cluster)[0] != old)
    step(f"every node trusts both authorities: {writing}")
    kube = Kube(cloud, cluster, os.path.join(directory, "stage-2"))
    with Writing(kube, cluster) as writing:
        until("one authority is left", cloud, cluster, lambda _: len(authorities(cloud, cluster)) == 1)
        step("every node shows certificates of the new one")
        until("it is done", cloud, cluster, lambda shown: not shown["status"].endswith("PROGRESS"))
    cluster = cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    check(authorities(cloud, cluster) == overlap[1:], "the authority is not the one that was announced")
    is_whole(cloud, kube, cluster, 3)
    check(not set(before.values()) & set(cloud.servers(cluster["uuid"]).values()), "a server of before is still there")
    check(not is_let_in(first), "a certificate of the old authority still opens the cluster")
    # What runs on nodes speaks with the API by its own tokens: kube-proxy must hear of this.
    later = Kube(cloud, cluster, os.path.join(directory, "after"))
    later.running("web", 1)
    later.apply(deployment("later", 1), service("later", NODE_PORT + 1))
    [pod] = later.running("later", 1)
    for address in [address for group in cloud.call("GET", f"clusters/{cluster['uuid']}/nodegroups", 200)["nodegroups"]
                    for address in cloud.call("GET", f"clusters/{cluster['uuid']}/nodegroups/{group['uuid']}", 200)["node_addresses"]]:
        name = pod["metadata"]["name"]
        wait(f"a new service answers through {address}", lambda: page(address, NODE_PORT + 1, "/cgi-bin/name") == name, 90, 1)
    step(f"new authorities, every node replaced: {writing}")
    return cluster
