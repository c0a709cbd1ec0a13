"""A control plane goes back to a snapshot of etcd, as docs/operator/operate.md says."""

import glob

from .cloud import check, wait
from .kube import Kube
from .upgrade import is_whole, masters_of, resized

SNAPSHOTS = "/var/lib/jeroboam/etcd"

# One line of the documentation each; run on the master that has the snapshot.
RESTORE = """
image=$(sed -n 's/^ *image: *//p' /root/etcd.yaml)
ctr -n k8s.io run --rm --mount type=bind,src=/var/lib,dst=/var/lib,options=rbind:rw --env ETCDCTL_API=3 "$image" restore \
    etcdctl snapshot restore "$SNAPSHOT" --data-dir /var/lib/etcd.new --name "$NAME" \
    --initial-cluster "$NAME=https://$ADDRESS:2380" --initial-advertise-peer-urls "https://$ADDRESS:2380"
rm -rf /var/lib/etcd/member
mv /var/lib/etcd.new/member /var/lib/etcd/
mv /root/*.yaml /etc/kubernetes/manifests/
"""


def config_map(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def stop_control_plane(cloud, server):
    cloud.inside(server, "sh", "-c", "mv /etc/kubernetes/manifests/*.yaml /root/")
    wait("no etcd runs", lambda: cloud.inside(server, "sh", "-c", "pgrep -x etcd || :") == "", 60, 1)


def restore(cloud, step, directory):
    template = cloud.template("restored", master_lb_enabled=True)
    cluster, seconds = cloud.create("restore", template, master_count=3, node_count=1)
    step(f"3 masters and 1 worker: CREATE_COMPLETE {seconds:.1f} s after POST")
    kube = Kube(cloud, cluster, directory)
    kube.apply(config_map("early"))
    going = masters_of(cloud.servers(cluster["uuid"]))[1]
    cloud.client("coe", "cluster", "resize", cluster["name"], "3", "--nodegroup", "default-master", "--nodes-to-remove", going)
    cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    kube.apply(config_map("late"))
    servers = cloud.servers(cluster["uuid"])
    masters = masters_of(servers)
    snapshot = f"{SNAPSHOTS}/before-{going}.db"
    here = [name for name in masters if glob.glob(cloud.disk(servers[name]) + snapshot)]
    check(len(here) == 1, f"the snapshot is on {here}")
    here = here[0]
    step(f"a master was replaced, and a snapshot of before is on {here}")

    for name in masters:
        stop_control_plane(cloud, servers[name])
    ports = cloud.tenant.network.ports(device_id=servers[here])
    address = next(ports).fixed_ips[0]["ip_address"]
    settings = [f"SNAPSHOT={snapshot}", f"NAME={here}", f"ADDRESS={address}"]
    cloud.inside(servers[here], "env", *settings, "sh", "-ec", RESTORE)
    wait("the API answers", lambda: kube.answers(cluster["api_address"]), 120, 1)
    names = {one["metadata"]["name"] for one in kube.show("configmaps")["items"]}
    check("early" in names and "late" not in names, f"after the restore there are {sorted(names)}")
    # The pod that saved the snapshot is in it.
    kube.run("delete", "pods", "--namespace", "kube-system", "-l", "jeroboam.io/leaving", "--grace-period=0", "--force")
    step("etcd is as it was in the snapshot, with one member")

    others = [servers[name] for name in masters if name != here]
    gone = [argument for server in others for argument in ("--nodes-to-remove", server)]
    cloud.client("coe", "cluster", "resize", cluster["name"], "1", "--nodegroup", "default-master", *gone)
    cluster = cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    check(masters_of(cloud.servers(cluster["uuid"])) == [here], "others than those stay")
    step("resized to that one master")
    cluster = resized(cloud, cluster, 3)
    is_whole(cloud, kube, cluster, 3)
    check(kube.ready() == set(cloud.servers(cluster["uuid"])), f"ready are {sorted(kube.ready())}")
    names = {one["metadata"]["name"] for one in kube.show("configmaps")["items"]}
    check("early" in names and "late" not in names, f"in the end there are {sorted(names)}")
    step("resized to 3 masters")
    return cluster
