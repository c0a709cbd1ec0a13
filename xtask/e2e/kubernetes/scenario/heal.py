"""Machines die, labels are lost and certificates end, and all of it is mended without anybody asking."""

import ssl
import threading
import time

from .cloud import PATIENCE, Failed, check, wait
from .kube import Kube, deployment
from .upgrade import Writing, is_whole

# Seconds from when a dead worker is missed until the pod of a StatefulSet on it begins elsewhere: less than a drain takes.
SOON = 90


def health(cloud, cluster, expected):
    """Waits for the health of a cluster that stands; gives its reason."""
    def look():
        shown = cloud.call("GET", f"clusters/{cluster['uuid']}", 200)
        return shown["health_status_reason"] if shown["health_status"] == expected else None
    return wait(f"the health is {expected}", look, 180)


def died(cloud, cluster, lost):
    """Cuts a machine's power and waits until its node is missed; gives why, and the servers of before."""
    servers = cloud.servers(cluster["uuid"])
    cloud.power_cut(servers[lost])

    # For a moment the load balancer may still lead to a master that is dead.
    def missed():
        seen = health(cloud, cluster, "UNHEALTHY")
        return seen if seen.get("api") == "ok" and seen.get(f"{lost}.Ready") == "False" else None
    return wait(f"{lost} is missed", missed, 180)[f"{lost}.Reason"], servers


def replaced(cloud, kube, cluster, lost, servers):
    """Waits until another server stands for the one that died, and everything else is as before."""
    def look():
        shown = cloud.call("GET", f"clusters/{cluster['uuid']}", 200)
        check(not shown["status"].endswith("_FAILED"), f"{shown['status']}: {shown['status_reason']}")
        is_done = shown["status"] == "UPDATE_COMPLETE" and servers[lost] not in cloud.servers(cluster["uuid"]).values()
        return shown if is_done else None
    shown = wait(f"{lost} is replaced", look, PATIENCE)
    check(shown["status_reason"].startswith(f"auto-healing: {lost.split('-', 2)[2]} is replaced: "), shown["status_reason"])
    present = cloud.servers(cluster["uuid"])
    check(len(present) == len(servers), f"there are the servers {sorted(present)}")
    check(set(kube.nodes()) == set(present) == kube.ready(), f"there are the nodes {sorted(kube.nodes())}")
    check(all(present[name] == server for name, server in servers.items() if name != lost), "others were replaced too")
    health(cloud, cluster, "HEALTHY")
    return shown["status_reason"]


def a_label_that_was_taken_is_put_back(cloud, kube, cluster):
    """Somebody takes a node's role, and the next look at the cluster's health gives it back."""
    name, label = min(name for name in cloud.servers(cluster["uuid"]) if "worker" in name), "magnum.openstack.org/role"
    kube.run("label", "node", name, f"{label}-", "mine=kept")
    wait("the label is put back", lambda: kube.nodes()[name]["metadata"]["labels"].get(label) == "worker", 60)
    check(kube.nodes()[name]["metadata"]["labels"]["mine"] == "kept", "a label of the tenant's own is gone")


def certificate(address):
    """What the API of one master shows."""
    return ssl.get_server_certificate((address, 6443), timeout=5)


def a_master_renews_its_certificates(cloud, kube, cluster):
    """As on the day when they have few days left, while a client writes: every program of the control plane takes them."""
    servers = cloud.servers(cluster["uuid"])
    name = max(name for name in servers if "master" in name)
    master = servers[name]
    check(cloud.inside(master, "systemctl", "is-active", "jeroboam-renew.timer").strip() == "active", "no timer runs")
    cloud.inside(master, "systemctl", "start", "jeroboam-renew.service")
    pods = kube.show("pods", "--namespace", "kube-system", "-l", "jeroboam.openstack.org/renewed")["items"]
    check(not pods, "certificates were renewed on their first day")
    ports = cloud.tenant.network.ports(device_id=master)
    address = next(one for port in ports for one in cloud.tenant.network.ips(port_id=port.id)).floating_ip_address
    before, begun = certificate(address), time.monotonic()
    with Writing(kube, cluster) as writing:
        said = cloud.inside(master, "env", "RENEW_BEFORE_DAYS=400", "sh", "/opt/jeroboam/renew.sh")
        seconds = time.monotonic() - begun
        check("certificates are renewed" in said, said)
    check(certificate(address) != before, "the API shows the certificate of before")

    def taken():
        pods = kube.show("pods", "--namespace", "kube-system", "-l", "jeroboam.openstack.org/renewed")["items"]
        ready = {pod["metadata"]["name"] for pod in pods for one in pod["status"].get("conditions", [])
                 if (one["type"], one["status"]) == ("Ready", "True")}
        parts = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        return ready == {f"{part}-{name}" for part in parts}
    # The kubelet of 1.20 tells that a program without a probe of its readiness is ready when it looks at the pod anyway.
    wait("the control plane runs with its new certificates", taken, 240, 1)
    is_whole(cloud, kube, cluster, 3)
    health(cloud, cluster, "HEALTHY")
    return f"{seconds:.0f} s; {writing}"


class Single:
    """Watches the pod of a StatefulSet of one: another one must not begin while the machine of the first is there."""

    def __init__(self, cloud, kube, cluster, name):
        self.cloud, self.kube, self.cluster, self.name = cloud, kube, cluster, name
        self.first = self._pod()
        self.node = self.first["spec"]["nodeName"]
        self.again, self.early, self.over = None, False, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _pod(self):
        found = self.kube.show("pods", "-l", f"app={self.name}")["items"]
        return found[0] if found else None

    def _watch(self):
        while not self.over.wait(0.5):
            try:
                pod = self._pod()
                if pod and pod["metadata"]["uid"] != self.first["metadata"]["uid"]:
                    self.early = self.node in self.cloud.servers(self.cluster["uuid"])
                    self.again = time.monotonic()
                    return
            except Failed:
                continue

    def stop(self):
        self.over.set()
        self.thread.join()


def a_lost_worker_is_replaced(cloud, kube, cluster):
    """The node of a machine that died goes, another one comes, and the pods run again."""
    replicas = 2
    single = deployment("single", 1)
    single["kind"], single["spec"]["serviceName"] = "StatefulSet", "single"
    kube.apply(deployment("moved", replicas), single)
    kube.running("moved", replicas)
    kube.running("single", 1)
    watch = Single(cloud, kube, cluster, "single")
    try:
        lost = watch.node
        reason, servers = died(cloud, cluster, lost)
        missed = time.monotonic()
        said = replaced(cloud, kube, cluster, lost, servers)
        whole = time.monotonic() - missed
        kube.running("moved", replicas)
        kube.running("single", 1)
    finally:
        watch.stop()
    check(not watch.early, "the pod of a StatefulSet began a second time while its first machine was there")
    again = watch.again - missed
    check(again < SOON, f"the pod of a StatefulSet began again {again:.0f} s after its node was missed")
    return (f"{reason}; {said}; the pod of a StatefulSet began again {again:.0f} s after its node was missed, and the "
            f"cluster was whole after {whole:.0f} s")


def a_lost_master_is_replaced(cloud, kube, cluster):
    """A master of three dies while a client writes: it leaves etcd without its own help, and comes back at its number."""
    lost = min(name for name in cloud.servers(cluster["uuid"]) if "master" in name)
    with Writing(kube, cluster) as writing:
        reason, servers = died(cloud, cluster, lost)
        missed = time.monotonic()
        said = replaced(cloud, kube, cluster, lost, servers)
        seconds = time.monotonic() - missed
    is_whole(cloud, kube, cluster, 3)
    check(lost in cloud.servers(cluster["uuid"]), "the new machine has another number")
    return f"{reason}; {said}; whole again {seconds:.0f} s after it was missed; {writing}"


def heal(cloud, step, directory):
    template = cloud.template("healing", master_lb_enabled=True, labels={"auto_healing_enabled": "true"})
    cluster, seconds = cloud.create("heal", template, master_count=3, node_count=2)
    step(f"3 masters and 2 workers: CREATE_COMPLETE {seconds:.1f} s after POST")
    kube = Kube(cloud, cluster, directory)
    seen = health(cloud, cluster, "HEALTHY")
    expected = {"api": "ok"} | {f"{name}.Ready": "True" for name in cloud.servers(cluster["uuid"])}
    check(seen == expected, f"the reason is {seen}")
    step("HEALTHY, with every node by its name")
    a_label_that_was_taken_is_put_back(cloud, kube, cluster)
    step("a label that somebody took from a node is back")
    said = a_master_renews_its_certificates(cloud, kube, cluster)
    step(f"a master renewed its certificates: {said}")
    said = a_lost_master_is_replaced(cloud, kube, cluster)
    step(f"a master's machine died and was replaced: {said}")
    said = a_lost_worker_is_replaced(cloud, kube, cluster)
    step(f"a worker's machine died and was replaced: {said}")
    return cluster
