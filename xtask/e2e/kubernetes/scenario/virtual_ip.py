"""Masters without a load balancer: they lend each other the address of the API."""

import time

from .cloud import Failed, check, wait
from .heal import health, replaced
from .kube import Kube
from .upgrade import Writing, is_whole, masters_of, resized


def holders(cloud, cluster):
    """Names of the masters that have the address now, and the address."""
    servers = cloud.servers(cluster["uuid"])
    port = next(port for port in cloud.tenant.network.ports() if port.name.endswith("-api") and not port.device_id)
    address = port.fixed_ips[0]["ip_address"]
    found = []
    for name in masters_of(servers):
        try:
            if f" {address}/32 " in cloud.inside(servers[name], "ip", "-o", "-4", "address"):
                found.append(name)
        except (Failed, FileNotFoundError, StopIteration):
            continue
    return found, address


def moved(cloud, cluster, last):
    """Waits until another master than the last one has the address, alone; gives its name and the seconds."""
    begun = time.monotonic()

    def look():
        found, _ = holders(cloud, cluster)
        return found[0] if len(found) == 1 and found[0] != last else None
    return wait(f"another master than {last} has the address", look, 60), time.monotonic() - begun


def an_api_stops(cloud, kube, cluster):
    """The API of the master that has the address stops, and comes back later: another one has it meanwhile."""
    (holder,), _ = holders(cloud, cluster)
    server = cloud.servers(cluster["uuid"])[holder]
    manifest, aside = "/etc/kubernetes/manifests/kube-apiserver.yaml", "/root/kube-apiserver.yaml"
    cloud.inside(server, "mv", manifest, aside)
    following, seconds = moved(cloud, cluster, holder)
    wait("the API answers at the address", lambda: kube.answers(cluster["api_address"]), 60)
    cloud.inside(server, "mv", aside, manifest)
    return f"{following} had the address {seconds:.0f} s later"


def a_power_cut(cloud, kube, cluster):
    """The master that has the address loses its power: another one has it, and the dead one is replaced."""
    (holder,), _ = holders(cloud, cluster)
    servers = cloud.servers(cluster["uuid"])
    with Writing(kube, cluster, pauses=True) as writing:
        cloud.power_cut(servers[holder])
        following, seconds = moved(cloud, cluster, holder)
        replaced(cloud, kube, cluster, holder, servers)
    is_whole(cloud, kube, cluster, 3)
    return f"{following} had the address {seconds:.0f} s later, and the dead one was replaced: {writing}"


def virtual_ip(cloud, step, directory):
    labels = {"virtual_ip_enabled": "true", "auto_healing_enabled": "true"}
    template = cloud.template("virtual-ip", master_lb_enabled=False, labels=labels)
    cluster, seconds = cloud.create("lent", template, master_count=1, node_count=1)
    check(not cloud.left().get("load_balancers"), "there is a load balancer")
    check(len(holders(cloud, cluster)[0]) == 1, "the only master has not the address")
    step(f"1 master with a virtual IP and 1 worker: CREATE_COMPLETE {seconds:.1f} s after POST")
    kube = Kube(cloud, cluster, directory)
    with Writing(kube, cluster, pauses=True) as writing:
        cluster = resized(cloud, cluster, 3)
    is_whole(cloud, kube, cluster, 3)
    step(f"resized to 3 masters: {writing}")
    said = an_api_stops(cloud, kube, cluster)
    health(cloud, cluster, "HEALTHY")
    step(f"the API of the master with the address stopped: {said}")
    said = a_power_cut(cloud, kube, cluster)
    step(f"the master with the address lost its power: {said}")
    with Writing(kube, cluster) as writing:
        cluster = resized(cloud, cluster, 1)
    is_whole(cloud, kube, cluster, 1)
    step(f"resized to 1 master: {writing}")
    return cluster
