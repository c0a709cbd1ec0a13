"""A tenant's ways to a cluster: kubectl with what `openstack coe cluster config` wrote, and HTTP."""

import json
import os
import subprocess
import urllib.request

import requests

from .cloud import check, wait


class Kube:
    """One cluster."""

    # What runs kubectl where the API can be reached.
    through = ()

    def __init__(self, cloud, cluster, directory):
        os.makedirs(directory, exist_ok=True)
        cloud.client("coe", "cluster", "config", cluster["name"], "--dir", directory, "--force", "--output-certs")
        self.directory = directory
        self.config = os.path.join(directory, "config")

    def run(self, *arguments, given=None):
        done = subprocess.run([*self.through, os.environ["E2E_KUBECTL"], "--kubeconfig", self.config, "--request-timeout",
                               "20s", *arguments], input=given, capture_output=True, text=True, timeout=120, check=False)
        check(done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def show(self, *arguments):
        return json.loads(self.run("get", *arguments, "-o", "json"))

    def apply(self, *documents):
        self.run("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))

    def nodes(self):
        """Nodes by name."""
        return {node["metadata"]["name"]: node for node in self.show("nodes")["items"]}

    def ready(self):
        """Names of the nodes that are ready."""
        def is_ready(node):
            return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
        return {name for name, node in self.nodes().items() if is_ready(node)}

    def answers(self, url):
        """True when the API is ready at an address, with a certificate of the cluster's for it."""
        try:
            return requests.get(f"{url}/readyz", verify=os.path.join(self.directory, "ca.pem"), timeout=5).ok
        except requests.RequestException:
            return False

    def pods(self, app):
        """Running pods of a label `app`."""
        found = self.show("pods", "-l", f"app={app}")["items"]
        return [pod for pod in found
                if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
                and all(one["ready"] for one in pod["status"].get("containerStatuses", []))]

    def running(self, app, count):
        """Waits for pods; gives them."""
        def look():
            pods = self.pods(app)
            return pods if len(pods) == count else None
        return wait(f"{count} pods of {app} run", look, 120)


def deployment(name, replicas, **spec):
    """A web server that says which pod it is and who asks."""
    labels = {"app": name}
    container = {"name": "web", "image": "localhost/kube/web:1", "imagePullPolicy": "Never",
                 "ports": [{"containerPort": 8080}],
                 "readinessProbe": {"httpGet": {"path": "/cgi-bin/name", "port": 8080}, "periodSeconds": 1}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [container]} | spec}}}


def service(name, node_port):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "type": "NodePort", "selector": {"app": name},
        "ports": [{"port": 80, "targetPort": 8080, "nodePort": node_port}]}}


def page(address, port, path):
    """A page's text, or nothing."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=2) as answer:
            return answer.read().decode().strip()
    except OSError:
        return None
