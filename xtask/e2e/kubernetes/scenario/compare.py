"""The same user-data by a plain script: how much of a creation is the service's own waiting."""

import time

from .cloud import Failed, check, wait
from .kube import Kube

# A creation may take this much longer than its machines by themselves.
GOAL = 1.15


def ready(kube, servers):
    """True when the API says that every node is ready."""
    try:
        return kube.ready() == set(servers)
    except Failed:
        return False


def compare(cloud, step, directory):
    """Creates a cluster, then takes its servers away and boots the same three at once on the same ports.

    Keys stand in the user-data: a token is spent by the first boot.
    """
    cluster, created = cloud.create("compare", cloud.template("compare", labels={"plain_user_data": "true"}), master_count=1, node_count=2)
    kube = Kube(cloud, cluster, directory)
    compute = cloud.tenant.compute
    ids = cloud.servers(cluster["uuid"])
    ports = {name: next(cloud.tenant.network.ports(device_id=server)).id for name, server in ids.items()}
    user_data = cloud.user_data(ids)
    for server in ids.values():
        compute.delete_server(server)
    wait("the servers are gone", lambda: not cloud.servers(cluster["uuid"]))
    image = next(cloud.tenant.image.images(name="debian-12-docker"))
    flavor = compute.find_flavor("m1.small")
    begun = time.monotonic()
    made = [compute.create_server(name=name, image_id=image.id, flavor_id=flavor.id, user_data=user_data[name],
                                  networks=[{"port": ports[name]}]) for name in ids]
    wait("the plain machines are ready", lambda: ready(kube, ids))
    plain = time.monotonic() - begun
    for server in made:
        compute.delete_server(server)
        compute.wait_for_delete(server, interval=1)
    ratio = created / plain
    step(f"POST to CREATE_COMPLETE {created:.1f} s, the same machines by a plain script {plain:.1f} s: {ratio:.2f} times")
    check(ratio <= GOAL, f"{ratio:.2f} times is more than {GOAL}")
    return cluster
