"""Three masters behind a load balancer: the first dies while a client writes."""

import os
import threading
import time

import requests

from .cloud import check
from .kube import Kube

# Seconds of writing after the power cut.
LONG_ENOUGH = 45


class Writer:
    """Writes a ConfigMap each second, as a client does that tries once more when it got no answer."""

    def __init__(self, kube, api_address):
        self.url = f"{api_address}/api/v1/namespaces/default/configmaps"
        self.trust = {"verify": os.path.join(kube.directory, "ca.pem"), "timeout": 5, "cert": (
            os.path.join(kube.directory, "cert.pem"), os.path.join(kube.directory, "key.pem"))}
        self.acknowledged, self.failed, self.again, self.over = [], [], 0, threading.Event()
        self.thread = threading.Thread(target=self._write)
        self.thread.start()

    def _write(self):
        number = 0
        while not self.over.wait(1):
            number += 1
            name, begun = f"write-{number}", time.monotonic()
            tries = 2
            while tries and not self._post(name):
                tries -= 1
                self.again += 1
                time.sleep(1)
            if tries:
                self.acknowledged.append((name, time.monotonic() - begun))
            else:
                self.failed.append(name)

    def _post(self, name):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "writer"}}}
        try:
            answer = requests.post(self.url, json=body, **self.trust)
        except requests.RequestException:
            return False
        # A conflict says that the try before, which got no answer, was written.
        return answer.status_code in (201, 409)

    def stop(self):
        self.over.set()
        self.thread.join()

    def stored(self):
        """Names that the cluster has now."""
        answer = requests.get(self.url, params={"labelSelector": "app=writer"}, **self.trust)
        check(answer.ok, answer.text)
        return {one["metadata"]["name"] for one in answer.json()["items"]}


def masters(cloud, step, directory):
    template = cloud.template("three-masters", master_lb_enabled=True)
    cluster, seconds = cloud.create("masters", template, master_count=3, node_count=1)
    step(f"3 masters behind a load balancer and 1 worker: CREATE_COMPLETE {seconds:.1f} s after POST")
    kube = Kube(cloud, cluster, directory)
    servers = cloud.servers(cluster["uuid"])
    check(kube.ready() == set(servers), f"ready are {sorted(kube.ready())}")
    writer = Writer(kube, cluster["api_address"])
    try:
        time.sleep(10)
        before = len(writer.acknowledged)
        cloud.power_cut(servers[min(name for name in servers if "master" in name)])
        time.sleep(LONG_ENOUGH)
    finally:
        writer.stop()
    lost = {name for name, _ in writer.acknowledged} - writer.stored()
    check(not lost, f"acknowledged and lost: {sorted(lost)}")
    after = len(writer.acknowledged) - before
    check(after >= 10, f"only {after} writes were acknowledged after the first master had died: {writer.failed}")
    longest = max(seconds for _, seconds in writer.acknowledged)
    step(f"the first master died while a client wrote: {len(writer.acknowledged)} writes acknowledged, none lost, "
         f"{len(writer.failed)} failed twice, the longest took {longest:.1f} s")
    return cluster
