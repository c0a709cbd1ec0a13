"""Requests that build on each other: what the other cases need, and everything that changes a cluster."""

import time

from .cases import PATCHED, TEMPLATE
from .sides import PATIENCE, Case, Side


def no_clusters(side):
    """Deletes clusters that are left of cases, and waits until there are none."""
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
        # Magnum knows nothing yet of a cluster that it has just accepted, and loses its deletion.
        for one in clusters:
            if one["status"].endswith(("_COMPLETE", "_FAILED")):
                side.send(Case("undo", "DELETE", f"/v1/clusters/{one['uuid']}"))
        time.sleep(0.5)
    raise SystemExit(f"{side.name}: clusters are left: {[one.get('name') for one in clusters]}")


def begin_anew(side):
    """Deletes what a run that was broken off has left."""
    no_clusters(side)
    for template in side.send(Case("undo", "GET", "/v1/clustertemplates")).json()["clustertemplates"]:
        side.send(Case("undo", "DELETE", f"/v1/clustertemplates/{template['uuid']}"))


def warm_up(side):
    """Waits until a template is taken: services that have just started do not know each other's objects at once."""
    end = time.monotonic() + PATIENCE
    while True:
        response = side.send(Case("warm up", "POST", "/v1/clustertemplates", body=TEMPLATE | {"name": "warm"}))
        if response.status_code == 201:
            side.send(Case("undo", "DELETE", f"/v1/clustertemplates/{response.json()['uuid']}"))
            return
        if time.monotonic() > end:
            raise SystemExit(f"{side.name}: no template can be made: {response.text}")
        time.sleep(0.5)


def prepare(ask, wait):
    """Two templates and a complete cluster, for all cases."""
    wait(begin_anew)
    wait(warm_up)
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
    wait(Side.settle)
    for path in ("clusters/{cluster}", "clusters", "clusters/detail", "clusters/{cluster}/nodegroups",
                 "clusters/{cluster}/nodegroups/default-worker", "clustertemplates/{template}", "clustertemplates"):
        ask(Case(f"sequence first {path}", "GET", f"/v1/{path}"))


def change(ask, wait):
    """Resize, node groups, rotation, upgrade, each through versions; after each, what can be seen."""
    cluster, group = "/v1/clusters/{cluster}", "/v1/clusters/{cluster}/nodegroups/{group}"

    def see(when, *more):
        wait(Side.settle)
        for path in ("clusters/{cluster}", "clusters/{cluster}/nodegroups", *more):
            ask(Case(f"sequence {path} {when}", "GET", f"/v1/{path}"))

    def resize(count, version="1.14", **more):
        where = f" of {more['nodegroup']}" if more else ""
        ask(Case(f"sequence resize{where} to {count} at {version}", "POST", f"{cluster}/actions/resize",
                 body={"node_count": count, **more}, version=version))

    def patch(path, op, field, *value, version="1.14"):
        body = [{"op": op, "path": f"/{field}", **({"value": value[0]} if value else {})}]
        kind = "group" if path == group else "cluster"
        shown = f" {value[0]!r}" if value else ""
        ask(Case(f"sequence patch of {kind} {op} /{field}{shown} at {version}", "PATCH", path, body=body,
                 version=version))

    for version, count in (("1.6", 3), ("1.7", 0), ("1.7", 2), ("1.9", 0), ("1.10", 0), ("1.14", 1)):
        resize(count, version)
        see(f"after resize to {count} at {version}")
    for version, count in (("1.1", 2), ("1.9", 0), ("1.10", 0), ("latest", 1)):
        patch(cluster, "replace", "node_count", count, version=version)
        see(f"after patch to {count} at {version}")
    patch(cluster, "remove", "node_count")
    see("after removal of node_count")
    for value in ("HEALTHY", "UNHEALTHY", "UNKNOWN", "BROKEN"):
        patch(cluster, "replace", "health_status", value)
        patch(cluster, "replace", "health_status_reason", f"{{'api': '{value}'}}")
        see(f"after {value}")

    nodegroups(ask, see, resize, patch)
    rotations(ask, see)
    templates(ask)
    upgrades(ask, see)
    resize(0)
    see("after resize to nothing")


def nodegroups(ask, see, resize, patch):
    """The life of a node group."""
    groups = "/v1/clusters/{cluster}/nodegroups"
    group = f"{groups}/{{group}}"
    shown = ["clusters/{cluster}/nodegroups/{group}"]
    taint = {"key": "a", "value": "b", "effect": "NoSchedule"}
    body = {"name": "more", "node_count": 1, "flavor_id": "m1.small", "labels": {"x": "y"}, "merge_labels": True,
            "node_labels": {"a": "b"}, "node_taints": [taint]}
    ask(Case("sequence node group at 1.8", "POST", groups, body=body, version="1.8"))
    ask(Case("sequence node group", "POST", groups, save="group", body=body))
    see("after node group", *shown)
    for version in ("1.9", "1.12", "1.13", "1.14"):
        for path in (groups, group, f"{groups}/more", "/v1/clusters/{cluster}"):
            ask(Case(f"sequence {path} at {version}", "GET", path, version=version))
    for query in ("?role=worker", "?role=master", "?limit=1", "?sort_key=name&sort_dir=desc"):
        ask(Case(f"sequence node groups{query}", "GET", groups + query))
    ask(Case("sequence node group of the same name", "POST", groups, body=body))
    for op, field, *value in (("replace", "max_node_count", 5), ("replace", "min_node_count", 1),
                              ("replace", "min_node_count", 4), ("replace", "max_node_count", 0),
                              ("replace", "node_labels", "{'c': 'd'}"), ("add", "node_labels/e", "f"),
                              ("remove", "node_labels/e"),
                              ("replace", "node_taints", "[{'key': 'c', 'effect': 'NoExecute'}]"),
                              ("replace", "node_taints", "[{'key': 'c', 'effect': 'Never'}]"),
                              ("replace", "max_node_count", 5)):
        patch(group, op, field, *value)
        see(f"after {op} /{field} {' '.join(map(str, value))}".rstrip(), *shown)
    for count in (2, 0, 6):
        resize(count, nodegroup="more")
        see(f"after resize of more to {count}", *shown)
    resize(2, nodegroup="{group}", version="1.9")
    see("after resize of the group by its id", *shown)
    patch(group, "remove", "max_node_count")
    see("after removal of the maximum", *shown)
    ask(Case("sequence plain node group", "POST", groups, save="plain", body={"name": "plain"}))
    see("after plain node group", "clusters/{cluster}/nodegroups/{plain}")
    for name in ("plain", "more"):
        ask(Case(f"sequence node group {name} deleted", "DELETE", f"{groups}/{name}"))
        see(f"after deletion of {name}")
        ask(Case(f"sequence node group {name} deleted again", "DELETE", f"{groups}/{name}"))


def rotations(ask, see):
    """New credentials, new authorities."""
    for version in ("1.11", "1.12", "1.14"):
        ask(Case(f"sequence credentials at {version}", "PATCH", "/v1/credentials/{cluster}", version=version))
        see(f"after credentials at {version}")
    ask(Case("sequence rotation", "PATCH", "/v1/certificates/{cluster}"))
    see("after rotation", "certificates/{cluster}")


def templates(ask):
    """What may be done to a template that a cluster is made of."""
    ask(Case("sequence template in use", "DELETE", "/v1/clustertemplates/{template}"))
    for field, value in (("name", "renamed"), ("tags", "a,b"), ("keypair_id", "other"), ("labels", "{'x': 'y'}")):
        ask(Case(f"sequence template in use with another {field}", "PATCH", "/v1/clustertemplates/{template}",
                 body=[{"op": "replace", "path": f"/{field}", "value": value}]))
    ask(Case("sequence template in use shown", "GET", "/v1/clustertemplates/{template}"))


def upgrades(ask, see):
    """To another template of a newer version."""
    path = "/v1/clusters/{cluster}/actions/upgrade"
    ask(Case("sequence newer template", "POST", "/v1/clustertemplates", save="newer",
             body=TEMPLATE | {"name": "newer", "labels": {"kube_tag": "v1.31.4"}}))
    for version in ("1.7", "1.8", "1.14"):
        ask(Case(f"sequence upgrade at {version}", "POST", path, version=version,
                 body={"cluster_template": "{newer}", "max_batch_size": 1}))
        see(f"after upgrade at {version}")


def clean(ask, wait):
    """Deletes everything, and sees it gone."""
    ask(Case("sequence deletion", "DELETE", "/v1/clusters/{cluster}"))
    wait(no_clusters)
    ask(Case("sequence deleted cluster", "GET", "/v1/clusters/{cluster}"))
    for name in ("template", "patched", "newer"):
        ask(Case(f"sequence deletion of {name}", "DELETE", f"/v1/clustertemplates/{{{name}}}"))
    ask(Case("sequence no templates", "GET", "/v1/clustertemplates"))
