"""Everything that openstacksdk can do with container infrastructure: its proxy, then its cloud layer.

Run against an empty demo project; OS_* variables log in. Names what fails and exits with 1.
"""

import subprocess
import sys
import time

import openstack

CSR = sys.argv[1]
INFRA = "container_infrastructure_management"


def check(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"{what}: {seen!r} instead of {wanted!r}")


def wait(what, seen, wanted):
    """Waits, within half a minute, until a call gives a value."""
    for _ in range(300):
        last = seen()
        if last == wanted:
            return
        time.sleep(0.1)
    sys.exit(f"{what} is never {wanted!r} but {last!r}")


def template(**more):
    return dict(
        coe="swarm-mode",
        image_id="debian-12-docker",
        external_network_id="public",
        flavor_id="m1.small",
        master_flavor_id="m1.small",
        **more,
    )


def verify(authority, certificate):
    """The certificate is the authority's."""
    for name, pem in [("ca.pem", authority), ("own.pem", certificate)]:
        with open(f"{CSR}.{name}", "w") as file:
            file.write(pem)
    subprocess.run(
        ["openssl", "verify", "-CAfile", f"{CSR}.ca.pem", f"{CSR}.own.pem"], check=True
    )


def proxy(infra):
    made = infra.create_cluster_template(**template(name="sdk", labels={"worker_open_ports": "80"}))
    check("coe", made.coe, "swarm-mode")
    check("tls", made.is_tls_disabled, False)
    check("labels", made.labels, {"worker_open_ports": "80"})
    check("list", [t.id for t in infra.cluster_templates()], [made.id])
    # The SDK keeps the name that it asked with as the id.
    check("find by name", infra.find_cluster_template("sdk").uuid, made.id)
    check("find by id", infra.find_cluster_template(made.id).id, made.id)
    check("find nothing", infra.find_cluster_template("nothing"), None)
    changed = infra.update_cluster_template(made, name="renamed", docker_volume_size=7)
    check("name", (changed.name, changed.docker_volume_size), ("renamed", 7))
    shown = infra.get_cluster_template(made.id)
    check("name", (shown.name, shown.docker_volume_size), ("renamed", 7))

    cluster = infra.create_cluster(
        name="sdk", cluster_template_id=made.id, master_count=1, node_count=2
    )
    wait("the cluster", lambda: infra.get_cluster(cluster.id).status, "CREATE_COMPLETE")
    shown = infra.get_cluster(cluster.id)
    check("counts", (shown.master_count, shown.node_count), (1, 2))
    check("addresses", (len(shown.master_addresses), len(shown.node_addresses)), (1, 2))
    check("floating", shown.is_floating_ip_enabled, True)
    check("find", infra.find_cluster("sdk").uuid, cluster.id)
    check("list", [c.name for c in infra.clusters()], ["sdk"])
    # The SDK waits for statuses too.
    infra.wait_for_status(shown, "CREATE_COMPLETE", failures=["CREATE_FAILED"], wait=5)

    authority = infra.get_cluster_certificate(cluster.id)
    with open(CSR) as file:
        signed = infra.create_cluster_certificate(cluster_uuid=cluster.id, csr=file.read())
    verify(authority.pem, signed.pem)

    try:
        infra.update_cluster(shown, node_count=3)
    except openstack.exceptions.BadRequestException as error:
        # The SDK of 2025.1 wants to set the id as well, which Magnum refuses too.
        check("refused", '"path": "/id"' in str(error.response.request.body), True)
        openstack.connect().update_coe_cluster(cluster.id, node_count=3)
    wait("the growth", lambda: infra.get_cluster(cluster.id).status, "UPDATE_COMPLETE")
    check("count", infra.get_cluster(cluster.id).node_count, 3)
    return cluster, made


def resize(cluster):
    """The SDK asks for 1.1 by itself, in which there is no resize: its user configures another one."""
    newer = openstack.connect(container_infrastructure_management_default_microversion="1.10")
    infra = getattr(newer, INFRA)
    shown = infra.get_cluster(cluster.id)
    try:
        shown.resize(infra, node_count=1)
    except TypeError:
        pass  # The SDK 4.22 asks the response itself for the UUID that stands in its body.
    wait("the shrinkage", lambda: infra.get_cluster(cluster.id).status, "UPDATE_COMPLETE")
    check("count", infra.get_cluster(cluster.id).node_count, 1)


def layer(cloud):
    made = cloud.create_cluster_template(**template(name="layer"))
    check("list", [t.name for t in cloud.list_cluster_templates()], ["layer"])
    check("search", [t.id for t in cloud.search_cluster_templates("layer")], [made.id])
    check("get", cloud.get_cluster_template("layer").uuid, made.id)
    check("get with detail", cloud.get_cluster_template(made.id, detail=True).name, "layer")
    check("get nothing", cloud.get_cluster_template("nothing"), None)
    check("update", cloud.update_cluster_template("layer", name="other").name, "other")

    cluster = cloud.create_coe_cluster("layer", made.id, node_count=1)
    wait("the cluster", lambda: cloud.get_coe_cluster("layer").status, "CREATE_COMPLETE")
    check("list", [c.name for c in cloud.list_coe_clusters()], ["layer"])
    check("search", [c.id for c in cloud.search_coe_clusters("layer")], [cluster.id])
    filtered = cloud.get_coe_cluster("layer", filters={"cluster_template_id": made.id})
    check("get with a filter", filtered.id, cluster.id)
    authority = cloud.get_coe_cluster_certificate(cluster.id)
    with open(CSR) as file:
        signed = cloud.sign_coe_cluster_certificate(cluster.id, file.read())
    verify(authority.pem, signed.pem)
    cloud.update_coe_cluster("layer", node_count=2)
    wait("the growth", lambda: cloud.get_coe_cluster("layer").status, "UPDATE_COMPLETE")
    check("delete", cloud.delete_coe_cluster("layer"), True)
    wait("the deletion", lambda: cloud.get_coe_cluster("layer"), None)
    check("delete nothing", cloud.delete_coe_cluster("layer"), False)
    check("delete", cloud.delete_cluster_template("other"), True)
    check("delete nothing", cloud.delete_cluster_template("other"), False)


def main():
    cloud = openstack.connect()
    infra = getattr(cloud, INFRA)
    cluster, made = proxy(infra)
    resize(cluster)
    infra.delete_cluster(cluster.id, ignore_missing=False)
    wait("the deletion", lambda: infra.find_cluster("sdk"), None)
    infra.delete_cluster_template(made.id, ignore_missing=False)
    check("list", list(infra.cluster_templates()), [])
    layer(cloud)
    admin = openstack.connect(username="admin", project_name="admin")
    services = [(s.binary, s.state) for s in getattr(admin, INFRA).services()]
    check("services", services, [("magnum-conductor", "up")])
    check("services", [s.binary for s in admin.list_magnum_services()], ["magnum-conductor"])


main()
