"""Requests that build on each other: what the other cases need, and everything that changes a cluster."""

import time

from .cases import PATCHED, TEMPLATE
from .sides import Case

# How long an operation may take, in seconds: Magnum looks at its clusters every ten.
PATIENCE = 300


def settled(path="/v1/clusters/{cluster}"):
    """Waits until the cluster is not being worked on."""
    def wait(side):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            response = side.send(Case("wait", "GET", path))
            if response.status_code == 404:
                return
            status = response.json().get("status", "")
            if status.endswith(("_COMPLETE", "_FAILED")):
                # What is compared next is a complete cluster.
                if status.endswith("_FAILED"):
                    print(f"{side.name}: {path} is {status}: {response.json().get('status_reason')}")
                return
            time.sleep(0.5)
        raise SystemExit(f"{side.name}: {path} is still {status} after {PATIENCE} s")
    return wait


def no_clusters(side):
    """Waits until clusters that cases made and deleted are gone."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        response = side.send(Case("wait", "GET", "/v1/clusters"))
        # Under load Magnum runs out of connections to its database now and then.
        clusters = response.json()["clusters"] if response.status_code == 200 else [{"status": "unknown"}]
        if not clusters:
            return
        failed = [one for one in clusters if one["status"] == "DELETE_FAILED"]
        if failed:
            raise SystemExit(f"{side.name}: {failed}")
        time.sleep(0.5)
    raise SystemExit(f"{side.name}: clusters are left: {clusters}")


def prepare(ask, wait):
    """Two templates and a complete cluster, for all cases."""
    ask(Case("sequence template", "POST", "/v1/clustertemplates", save="template",
             body=TEMPLATE | {"name": "sequence", "labels": {"kube_tag": "v1.31.1", "own": "1"}}))
    ask(Case("sequence other template", "POST", "/v1/clustertemplates", save="patched",
             body=PATCHED))
    left, right = ask(Case(
        "sequence cluster", "POST", "/v1/clusters", save="cluster",
        body={"name": "sequence", "cluster_template_id": "{template}", "node_count": 1, "master_count": 1,
              "labels": {"own": "2", "more": "3"}}))
    if left.status != 202 or right.status != 202:
        raise SystemExit(f"no cluster can be made: {left} {right}")
    wait(settled())
    for path in ("clusters/{cluster}", "clusters", "clusters/detail", "clusters/{cluster}/nodegroups",
                 "clusters/{cluster}/nodegroups/default-worker", "clustertemplates/{template}", "clustertemplates"):
        ask(Case(f"sequence first {path}", "GET", f"/v1/{path}"))


def change(ask, wait):
    """Resize, node groups, rotation, upgrade; after each, what can be seen."""
    def see(when):
        wait(settled())
        for path in ("clusters/{cluster}", "clusters/{cluster}/nodegroups"):
            ask(Case(f"sequence {path} {when}", "GET", f"/v1/{path}"))

    cluster = "/v1/clusters/{cluster}"
    ask(Case("sequence resize", "POST", f"{cluster}/actions/resize", body={"node_count": 2}))
    see("after resize")
    ask(Case("sequence patch of node_count", "PATCH", cluster,
             body=[{"op": "replace", "path": "/node_count", "value": 1}]))
    see("after patch")
    ask(Case("sequence node group", "POST", f"{cluster}/nodegroups", save="group",
             body={"name": "more", "node_count": 1, "flavor_id": "m1.small", "labels": {"x": "y"},
                   "merge_labels": True, "node_labels": {"a": "b"}}))
    see("after node group")
    ask(Case("sequence node group shown", "GET", f"{cluster}/nodegroups/more"))
    ask(Case("sequence node group patched", "PATCH", f"{cluster}/nodegroups/{{group}}",
             body=[{"op": "replace", "path": "/max_node_count", "value": 5}]))
    see("after patch of node group")
    ask(Case("sequence resize of node group", "POST", f"{cluster}/actions/resize",
             body={"node_count": 2, "nodegroup": "more"}))
    see("after resize of node group")
    ask(Case("sequence resize beyond the maximum", "POST", f"{cluster}/actions/resize",
             body={"node_count": 6, "nodegroup": "more"}))
    ask(Case("sequence node group deleted", "DELETE", f"{cluster}/nodegroups/more"))
    see("after deletion of node group")
    ask(Case("sequence rotation", "PATCH", "/v1/certificates/{cluster}"))
    see("after rotation")
    ask(Case("sequence credentials", "PATCH", "/v1/credentials/{cluster}"))
    see("after credentials")
    ask(Case("sequence health", "PATCH", cluster, body=[
        {"op": "replace", "path": "/health_status", "value": "HEALTHY"}]))
    ask(Case("sequence resize to nothing", "POST", f"{cluster}/actions/resize", body={"node_count": 0}))
    see("after resize to nothing")
    ask(Case("sequence template in use", "DELETE", "/v1/clustertemplates/{template}"))


def clean(ask, wait):
    """Deletes everything, and sees it gone."""
    ask(Case("sequence deletion", "DELETE", "/v1/clusters/{cluster}"))
    wait(no_clusters)
    ask(Case("sequence deleted cluster", "GET", "/v1/clusters/{cluster}"))
    for name in ("template", "patched"):
        ask(Case(f"sequence deletion of {name}", "DELETE", f"/v1/clustertemplates/{{{name}}}"))
    ask(Case("sequence no templates", "GET", "/v1/clustertemplates"))
