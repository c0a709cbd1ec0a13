"""The life of a cluster with one master: use, change, removal of nodes, deletion."""

import base64
import gzip
import json
import tempfile
import threading
import time

import requests

from .cloud import PATIENCE, check, wait
from .kube import Kube, deployment, page, service

NODE_PORT = 30_080

# Seconds for a node to be drained and go. The service gives up moving pods after 120 s.
LONGEST_DRAIN = 100


def user_data_has_no_key(cloud, cluster):
    """Nova shows administrators no key of any node, and what it shows is of no use any more."""
    for name, text in cloud.user_data(cloud.servers(cluster["uuid"])).items():
        packed = base64.b64decode(text)
        text = (gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed).decode()
        check("PRIVATE KEY" not in text and "client-key-data" not in text, f"the user-data of {name} has a key")
        files = {file["path"]: file["content"] for file in json.loads(text.partition("\n")[2])["write_files"]}
        url, token = files["/etc/jeroboam/bootstrap.url"], files["/etc/jeroboam/bootstrap.token"]
        with tempfile.NamedTemporaryFile("w", suffix=".crt") as trusted:
            trusted.write(files["/etc/jeroboam/bootstrap.crt"])
            trusted.flush()
            answer = requests.post(f"{url}/v1/node-secrets", headers={"Authorization": f"Bearer {token}"},
                                   verify=trusted.name, timeout=10)
        check((answer.status_code, answer.content) == (404, b""), f"{name}'s token still gets {answer.status_code}")


def replicas_answer_through_each_node(kube, cluster):
    """A replica on each worker, and each answers through each node's port."""
    workers = len(cluster["node_addresses"])
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]}}
    kube.apply(deployment("web", workers, affinity=apart), service("web", NODE_PORT))
    kube.running("web", workers)
    for address in cluster["master_addresses"] + cluster["node_addresses"]:
        answered = set()

        def look(address=address, answered=answered):
            answered.add(page(address, NODE_PORT, "/cgi-bin/name"))
            return len(answered - {None}) == workers
        wait(f"every replica answers through {address}", look, 90, 0.1)


def a_plain_server_reaches_pods(cloud, kube, cluster):
    """A server that is no node asks a pod by its own address, and the pod sees the server's."""
    pods = [pod["status"]["podIP"] for pod in kube.pods("web")]
    asks = "\n".join(
        f"echo E2E {pod} saw $(curl -s --retry 20 --retry-delay 1 --retry-connrefused --max-time 5 "
        f"http://{pod}:8080/cgi-bin/peer) >/dev/console" for pod in pods)
    user_data = base64.b64encode(f"#!/bin/sh\n{asks}\n".encode()).decode()
    name = next(iter(cloud.servers(cluster["uuid"])))
    network = next(iter(cloud.tenant.compute.get_server(cloud.servers(cluster["uuid"])[name]).addresses))
    network = cloud.tenant.network.find_network(network)
    image = next(cloud.tenant.image.images(name="debian-12-docker"))
    flavor = cloud.tenant.compute.find_flavor("m1.tiny")
    plain = cloud.tenant.compute.create_server(
        name="plain", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}], user_data=user_data)
    try:
        # Nova has no console of a server that is not built yet.
        cloud.tenant.compute.wait_for_server(plain, interval=1, wait=PATIENCE)

        def look():
            log = cloud.tenant.compute.get_server_console_output(plain)["output"]
            lines = [line.split("E2E ")[1].split() for line in log.splitlines() if "E2E " in line]
            seen = {words[0]: words[2].strip("[]").removeprefix("::ffff:") for words in lines if len(words) == 3}
            return seen if len(seen) == len(pods) else None
        seen = wait("the plain server has asked every pod", look, 120)
        own = next(cloud.tenant.network.ports(device_id=plain.id)).fixed_ips[0]["ip_address"]
        check(set(seen.values()) == {own}, f"the server is {own}, and pods saw {seen}")
        return f"{len(pods)} pods saw {own}"
    finally:
        cloud.tenant.compute.delete_server(plain)
        cloud.tenant.compute.wait_for_delete(plain, interval=1)


def a_second_node_group_has_labels_and_taints(cloud, kube, cluster):
    """Nodes of a group have what the group says, and only what tolerates them runs there."""
    cloud.call("POST", f"clusters/{cluster['uuid']}/nodegroups", 202, name="gpu", node_count=1,
               node_labels={"accelerator": "gpu"}, node_taints=[{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}])
    cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    own = {name: node for name, node in kube.nodes().items()
           if node["metadata"]["labels"].get("magnum.openstack.org/nodegroup") == "gpu"}
    check(len(own) == 1, f"there are {sorted(own)} of the group")
    (name, node), = own.items()
    check(node["metadata"]["labels"].get("accelerator") == "gpu", f"{name} has {node['metadata']['labels']}")
    taints = [(one["key"], one.get("value"), one["effect"]) for one in node["spec"].get("taints", [])]
    check(taints == [("dedicated", "gpu", "NoSchedule")], f"{name} has the taints {taints}")
    tolerates = {"nodeSelector": {"accelerator": "gpu"},
                 "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}]}
    kube.apply(deployment("tolerant", 1, **tolerates), deployment("strict", 1, nodeSelector={"accelerator": "gpu"}))
    pod, = kube.running("tolerant", 1)
    check(pod["spec"]["nodeName"] == name, f"the pod runs on {pod['spec']['nodeName']}")
    check(not kube.pods("strict"), "a pod without a toleration runs on the tainted node")
    kube.run("delete", "deployment", "tolerant", "strict")
    return name


def a_node_group_goes(cloud, kube, cluster):
    cloud.client("coe", "nodegroup", "delete", cluster["name"], "gpu")
    cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    groups = [group["name"] for group in cloud.call("GET", f"clusters/{cluster['uuid']}/nodegroups", 200)["nodegroups"]]
    check(sorted(groups) == ["default-master", "default-worker"], f"there are the groups {groups}")
    check(len(kube.nodes()) == len(cloud.servers(cluster["uuid"])), f"nodes {sorted(kube.nodes())} are not the servers")


def resize_up(cloud, kube, cluster):
    before = kube.ready()
    cloud.client("coe", "cluster", "resize", cluster["name"], str(len(cluster["node_addresses"]) + 1))
    cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
    new = kube.ready() - before
    check(len(new) == 1 and before <= kube.ready(), f"{sorted(before)} became {sorted(kube.ready())}")
    return new.pop()


def a_named_node_leaves_within_the_budget(cloud, kube, cluster):
    """Of the nodes that have pods the named one goes, and never are fewer pods available than the budget wants."""
    least, replicas = 3, 4
    kube.apply(
        deployment("kept", replicas),
        {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "kept"},
         "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "kept"}}}})
    pods = kube.running("kept", replicas)
    by_node = {}
    for pod in pods:
        by_node.setdefault(pod["spec"]["nodeName"], []).append(pod)
    going = max(by_node, key=lambda name: len(by_node[name]))
    servers = cloud.servers(cluster["uuid"])
    fewest, over = [replicas], threading.Event()

    def watch():
        while not over.is_set():
            shown = kube.show("deployment", "kept")["status"]
            fewest.append(shown.get("availableReplicas", 0))
            over.wait(0.5)
    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.monotonic()
    try:
        cloud.client("coe", "cluster", "resize", cluster["name"], str(len(cluster["node_addresses"])),
                     "--nodes-to-remove", servers[going])
        cloud.settled(cluster["uuid"], "UPDATE_COMPLETE")
        seconds = time.monotonic() - begun
    finally:
        over.set()
        watcher.join()
    check(set(kube.nodes()) == set(servers) - {going}, f"{going} was to go, and there are {sorted(kube.nodes())}")
    check(set(cloud.servers(cluster["uuid"])) == set(servers) - {going}, "the servers are not the nodes")
    check(seconds < LONGEST_DRAIN, f"it took {seconds:.0f} s: pods were not moved, and the time for it ran out")
    check(min(fewest) >= least, f"only {min(fewest)} pods were available, and the budget is {least}")
    kube.running("kept", replicas)
    return f"{going} with {len(by_node[going])} pods; never fewer than {min(fewest)} of {replicas} available"


def life(cloud, step, directory):
    template = cloud.template("one-master")
    cluster, seconds = cloud.create("life", template, master_count=1, node_count=2)
    step(f"1 master and 2 workers: CREATE_COMPLETE {seconds:.1f} s after POST")
    kube = Kube(cloud, cluster, directory)
    check(kube.ready() == set(cloud.servers(cluster["uuid"])), f"ready are {sorted(kube.ready())}")
    step("kubectl works with what `openstack coe cluster config` wrote; 3 nodes are ready")
    user_data_has_no_key(cloud, cluster)
    step("the nodes' user-data holds no key, and its tokens are spent")
    replicas_answer_through_each_node(kube, cluster)
    step("a Deployment with a Service answers through each node")
    said = a_plain_server_reaches_pods(cloud, kube, cluster)
    step(f"a plain server of the tenant's network reaches pods without NAT: {said}")
    said = a_second_node_group_has_labels_and_taints(cloud, kube, cluster)
    step(f"a second node group with labels and taints: {said}")
    a_node_group_goes(cloud, kube, cluster)
    step("the second node group is gone with its nodes")
    said = resize_up(cloud, kube, cluster)
    step(f"resized to 3 workers: {said}")
    said = a_named_node_leaves_within_the_budget(cloud, kube, cluster)
    step(f"resized to 2 workers, a named node drained: {said}")
    return cluster, seconds


def deleted(cloud, step, *clusters):
    for cluster in clusters:
        cloud.delete(cluster["uuid"])
        template = cluster["cluster_template_id"]
        cloud.call("DELETE", f"clustertemplates/{template}", 204)
    deadline = time.monotonic() + 5
    while cloud.left() and time.monotonic() < deadline:
        time.sleep(0.2)
    check(not cloud.left(), f"left in the cloud: {cloud.left()}")
    step("deleted, and nothing is left in the cloud")
