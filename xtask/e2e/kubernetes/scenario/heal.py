"""A machine dies, and another one takes its place without anybody asking."""

from .cloud import check, wait
from .kube import Kube, deployment


def health(cloud, cluster, expected):
    """Waits for the health of a cluster that stands; gives its reason."""
    def look():
        shown = cloud.call("GET", f"clusters/{cluster['uuid']}", 200)
        return shown["health_status_reason"] if shown["health_status"] == expected else None
    return wait(f"the health is {expected}", look, 180)


def a_lost_worker_is_replaced(cloud, kube, cluster):
    """The node of a machine that died goes, another one comes, and the pods run again."""
    replicas = 2
    kube.apply(deployment("moved", replicas))
    kube.running("moved", replicas)
    servers = cloud.servers(cluster["uuid"])
    lost = max(name for name in servers if "worker" in name)
    cloud.power_cut(servers[lost])
    seen = health(cloud, cluster, "UNHEALTHY")
    check(seen.get("api") == "ok" and seen.get(f"{lost}.Ready") == "False", f"the reason is {seen}")
    reason = seen.get(f"{lost}.Reason")

    def replaced():
        shown = cloud.call("GET", f"clusters/{cluster['uuid']}", 200)
        check(not shown["status"].endswith("_FAILED"), f"{shown['status']}: {shown['status_reason']}")
        is_done = shown["status"] == "UPDATE_COMPLETE" and lost not in cloud.servers(cluster["uuid"])
        return shown if is_done else None
    shown = wait("the lost node is replaced", replaced)
    check(shown["status_reason"].startswith(f"auto-healing: {lost.split('-', 2)[2]} is replaced: "), shown["status_reason"])
    present = cloud.servers(cluster["uuid"])
    check(len(present) == len(servers), f"there are the servers {sorted(present)}")
    check(set(kube.nodes()) == set(present) == kube.ready(), f"there are the nodes {sorted(kube.nodes())}")
    check(all(present[name] == server for name, server in servers.items() if name != lost), "others were replaced too")
    kube.running("moved", replicas)
    return f"{reason}; {shown['status_reason']}"


def heal(cloud, step, directory):
    template = cloud.template("healing", labels={"auto_healing_enabled": "true"})
    cluster, seconds = cloud.create("heal", template, master_count=1, node_count=2)
    step(f"1 master and 2 workers: CREATE_COMPLETE {seconds:.1f} s after POST")
    kube = Kube(cloud, cluster, directory)
    seen = health(cloud, cluster, "HEALTHY")
    expected = {"api": "ok"} | {f"{name}.Ready": "True" for name in cloud.servers(cluster["uuid"])}
    check(seen == expected, f"the reason is {seen}")
    step("HEALTHY, with every node by its name")
    said = a_lost_worker_is_replaced(cloud, kube, cluster)
    health(cloud, cluster, "HEALTHY")
    step(f"a worker's machine died and was replaced: {said}")
    return cluster
