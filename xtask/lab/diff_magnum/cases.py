"""The requests: generated over routes, versions, fields and values, good and bad."""

from .sides import Case

VERSIONS = [None, *(f"1.{minor}" for minor in range(1, 15)), "latest"]
BAD_VERSIONS = ["1.0", "1.15", "2.0", "0.9", "1", "1.x", "", "1.1.1", "-1.1", "1.007"]
LONG = "x" * 256
# Values that some field takes and another refuses.
VALUES = [None, "", "text", LONG, "12", 0, 1, -1, 70000, 1.5, True, "yes", "maybe", [], ["a"], {}, {"a": "b"}]

TEMPLATE = {
    "name": "case",
    "coe": "kubernetes",
    "image_id": "ubuntu-kube",
    "keypair_id": "key",
    "external_network_id": "public",
    "flavor_id": "m1.small",
    "master_flavor_id": "m1.small",
}
TEMPLATE_FIELDS = [
    "name", "coe", "image_id", "keypair_id", "external_network_id", "flavor_id", "master_flavor_id",
    "dns_nameserver", "fixed_network", "fixed_subnet", "network_driver", "volume_driver", "apiserver_port",
    "docker_volume_size", "docker_storage_driver", "cluster_distro", "driver", "http_proxy", "https_proxy",
    "no_proxy", "insecure_registry", "labels", "server_type", "registry_enabled", "tls_disabled", "public",
    "master_lb_enabled", "hidden", "floating_ip_enabled", "tags", "uuid", "project_id", "user_id", "links",
    "created_at", "updated_at", "id", "unknown",
]
TEMPLATE_SPECIAL = {
    "coe": ["swarm", "swarm-mode", "mesos", "Kubernetes"],
    "image_id": ["missing", "strange", "cirros"],
    "flavor_id": ["missing"],
    "master_flavor_id": ["missing"],
    "external_network_id": ["private", "missing"],
    "fixed_network": ["private", "missing", "public"],
    "fixed_subnet": ["private-subnet", "missing"],
    "dns_nameserver": ["8.8.8.8", "8.8.8.8,9.9.9.9", "2001:db8::1", "8.8.8.8, 9.9.9.9", "8.8.8"],
    "network_driver": ["flannel", "calico", "cilium", "docker"],
    "volume_driver": ["cinder", "rexray"],
    "apiserver_port": [1023, 1024, 65535, 65536, "6443"],
    "docker_storage_driver": ["devicemapper", "overlay2"],
    "server_type": ["vm", "bm", "VM"],
    "labels": [{"kube_tag": "v1.31.1"}, {"a": 1}, {"a": True}, {"a": 1.5}, {"a": None}, {"a": {}}, {"a": []}, {"": "b"}],
    "name": ["with spaces", "ünïcode", "1digit", "a/b"],
    "tags": ["a,b,c"],
    "tls_disabled": ["on", "OFF", "t", 2],
}
# What patches are tried on.
PATCHED = TEMPLATE | {"name": "patched"}
CLUSTER = {"name": "case", "cluster_template_id": "{template}", "node_count": 1, "master_count": 1}
CLUSTER_FIELDS = [
    "name", "cluster_template_id", "keypair", "node_count", "master_count", "docker_volume_size", "labels",
    "merge_labels", "master_flavor_id", "flavor_id", "fixed_network", "fixed_subnet", "floating_ip_enabled",
    "master_lb_enabled", "create_timeout", "discovery_url", "status", "stack_id", "project_id", "node_addresses",
    "created_at", "links", "id", "unknown",
]
CLUSTER_VALUES = [None, "", LONG, "12", 0, -1, 1.5, "maybe", [], {"a": {}}]
CLUSTER_SPECIAL = {
    "name": ["1digit", "with spaces", "a" * 242, "a" * 243, "ünï", "a/b"],
    "cluster_template_id": ["missing", "00000000-0000-0000-0000-000000000000"],
    "keypair": ["missing"],
    "master_count": [2, 3],
    "flavor_id": ["missing"],
    "fixed_network": ["missing", "private", "small"],
    "status": ["CREATE_COMPLETE", "NOPE"],
}
NODEGROUP_FIELDS = [
    "name", "node_count", "min_node_count", "max_node_count", "role", "flavor_id", "image_id",
    "docker_volume_size", "labels", "merge_labels", "node_labels", "node_taints", "is_default", "version",
    "project_id", "status", "unknown",
]
NODEGROUP_SPECIAL = {
    "role": ["master"],
    "flavor_id": ["missing"],
    "min_node_count": [2],
    "node_labels": [{"a": "b"}, {"kubernetes.io/os": "linux"}, {"x.k8s.io/a": "b"}, {"a": 1}],
    "node_taints": [[{"key": "a", "effect": "NoSchedule"}], [{"key": "", "effect": "NoSchedule"}],
                    [{"key": "a", "effect": "Never"}], [{"key": "a", "effect": "NoExecute", "more": "x"}], [{}]],
}
COLLECTIONS = ["clusters", "clusters/detail", "clustertemplates", "clustertemplates/detail", "quotas", "federations",
               "mservices"]
ITEMS = ["clusters/{cluster}", "clustertemplates/{template}", "clusters/{cluster}/nodegroups",
         "clusters/{cluster}/nodegroups/default-worker", "certificates/{cluster}", "stats"]
# Not by uuid: that order is another one in each service.
SORT_KEYS = ["name", "id", "created_at", "updated_at", "project_id", "status", "coe", "node_count",
             "master_count", "links", "labels", "resource", "hard_limit", "nope", ""]


def without(body, name):
    return {key: value for key, value in body.items() if key != name}


def documents():
    for path in ["/", "/v1", "/v1/", "/healthcheck", "/v1/nope", "/nope", "/v2", "/v2/clusters", "/clusters",
                 "/v1//clusters", "/v1/clusters/", "/v1/clusters.json", "/v1.json", "/.json",
                 "/v1/clusters/detail/", "/v1/clusters/x/detail", "/v1/clustertemplates/x/detail",
                 "/v1/clusters/a%2Fb", "/v1/quotas/detail", "/v1/quotas/x", "/v1/certificates", "/v1/credentials",
                 "/v1/stats/x", "/v1/mservices/1", "/v1/bays", "/v1/baymodels"]:
        for who in ("demo", None):
            yield Case(f"document GET {path} as {who}", "GET", path, who=who)
    paths = ["/", "/v1", *(f"/v1/{path}" for path in (*COLLECTIONS, *ITEMS))]
    paths += ["/v1/clusters/{cluster}/actions/resize", "/v1/clusters/{cluster}/actions/upgrade",
              "/v1/clusters/{cluster}/actions/nope", "/v1/clusters/{cluster}/actions", "/v1/credentials/{cluster}",
              "/v1/quotas/x/Cluster", "/v1/federations/x"]
    for path in paths:
        for method in ("PUT", "HEAD", "OPTIONS"):
            yield Case(f"method {method} {path}", method, path)
    for path in ("clusters", "clustertemplates", "quotas", "federations", "mservices", "stats", "certificates",
                 "credentials"):
        for method in ("DELETE", "PATCH"):
            yield Case(f"method {method} collection {path}", method, f"/v1/{path}")
    for path in ("/v1/clusters/foo", "/v1/clusters/actions/resize", "/v1/clustertemplates/foo", "/v1/mservices",
                 "/v1/stats"):
        yield Case(f"method POST {path}", "POST", path, body={})


def versions():
    for path in (*COLLECTIONS, *ITEMS):
        who = "admin" if path in ("quotas", "mservices") else "demo"
        for version in VERSIONS:
            yield Case(f"version {version} GET {path}", "GET", f"/v1/{path}", version=version, who=who)
    for version in BAD_VERSIONS:
        for path in ("/", "/v1", "/v1/clusters"):
            yield Case(f"version {version!r} GET {path}", "GET", path, version=version)
    for value in ("1.5", "container 1.5", "container-infra", "container-infra 1.5 x", "compute 2.1",
                  "compute 2.1, container-infra 1.9", "container-infra latest", "nova latest", "CONTAINER-INFRA 1.5",
                  "container-infra  1.5"):
        yield Case(f"version header {value!r}", "GET", "/v1/clusters", version=None,
                   headers={"OpenStack-API-Version": value})


def lists():
    for path in ("clusters", "clusters/detail", "clustertemplates", "quotas", "clusters/{cluster}/nodegroups"):
        who = "admin" if path == "quotas" else "demo"
        for query in ("limit=1", "limit=0", "limit=-1", "limit=x", "limit=5000", "limit=", "marker=x",
                      "marker=00000000-0000-0000-0000-000000000000", "sort_dir=up", "sort_dir=desc", "sort_dir=asc",
                      "unknown=1", "limit=1&limit=2", "sort_key=name&sort_dir=desc&limit=1", "LIMIT=1"):
            yield Case(f"list {path}?{query}", "GET", f"/v1/{path}?{query}", who=who)
        for key in SORT_KEYS:
            yield Case(f"list {path} sorted by {key!r}", "GET", f"/v1/{path}?sort_key={key}", who=who)
    yield Case("list clusters after a marker", "GET", "/v1/clusters?marker={cluster}")
    yield Case("list templates after a marker", "GET", "/v1/clustertemplates?limit=1&marker={template}")
    yield Case("list quotas of all", "GET", "/v1/quotas?all_tenants=True", who="admin")
    for role in ("master", "worker", "nope", ""):
        yield Case(f"list nodegroups of role {role!r}", "GET", f"/v1/clusters/{{cluster}}/nodegroups?role={role}")


def callers():
    for who in ("demo", "demo_reader", "demo_nobody", "demo_manager", "alt_demo", "admin", "system", "bad", None):
        for path in (*COLLECTIONS, *ITEMS):
            yield Case(f"caller {who} GET {path}", "GET", f"/v1/{path}", who=who)
        yield Case(f"caller {who} creates a template", "POST", "/v1/clustertemplates", body=TEMPLATE, who=who,
                   undo="/v1/clustertemplates")
        yield Case(f"caller {who} creates a cluster of nothing", "POST", "/v1/clusters",
                   body=CLUSTER | {"cluster_template_id": "missing"}, who=who)
        if who != "demo":
            for method, path in (("PATCH", "clustertemplates/{template}"), ("PATCH", "clusters/{cluster}")):
                yield Case(f"caller {who} patches nothing of {path}", method, f"/v1/{path}", body=[], who=who)
        if who in ("demo_reader", "demo_nobody", "alt_demo", "bad", None):
            yield Case(f"caller {who} deletes the template", "DELETE", "/v1/clustertemplates/{template}", who=who)
            yield Case(f"caller {who} deletes the cluster", "DELETE", "/v1/clusters/{cluster}", who=who)
            yield Case(f"caller {who} resizes", "POST", "/v1/clusters/{cluster}/actions/resize",
                       body={"node_count": 1}, who=who)
            yield Case(f"caller {who} rotates", "PATCH", "/v1/certificates/{cluster}", who=who)


def identifiers():
    for kind, name in (("clusters", "sequence"), ("clustertemplates", "sequence"), ("certificates", "sequence")):
        symbol = "template" if kind == "clustertemplates" else "cluster"
        yield Case(f"identifier {kind} by name", "GET", f"/v1/{kind}/{name}")
        yield Case(f"identifier {kind} by id with slash", "GET", f"/v1/{kind}/{{{symbol}}}/")
        for other in ("missing", "00000000-0000-0000-0000-000000000000", "1", "a%20b", "%00", "-", "'"):
            yield Case(f"identifier {kind} {other}", "GET", f"/v1/{kind}/{other}")
    for other in ("default-master", "missing", "detail", "00000000-0000-0000-0000-000000000000"):
        yield Case(f"identifier nodegroup {other}", "GET", f"/v1/clusters/{{cluster}}/nodegroups/{other}")


def bodies():
    """What is not a JSON object, or not said to be one."""
    for path in ("clustertemplates", "clusters", "certificates", "quotas", "clusters/{cluster}/actions/resize",
                 "clusters/{cluster}/actions/upgrade", "clusters/{cluster}/nodegroups"):
        who = "admin" if path == "quotas" else "demo"
        for label, raw in (("nothing", b""), ("no JSON", b"{"), ("a list", b"[]"), ("a text", b'"x"'),
                           ("null", b"null"), ("an empty object", b"{}"), ("a number", b"1"),
                           ("bad UTF-8", b'{"name": "\xff"}'), ("twice the same key", b'{"name": "a", "name": "b"}')):
            yield Case(f"body {label} POST {path}", "POST", f"/v1/{path}", raw=raw, who=who,
                       headers={"Content-Type": "application/json"})
        for kind in ("text/plain", "application/xml", "application/json; charset=utf-8", None):
            yield Case(f"content type {kind} POST {path}", "POST", f"/v1/{path}", raw=b'{"unknown": 1}', who=who,
                       headers={"Content-Type": kind})
    for accept in ("*/*", "application/json", "text/html", "application/xml", "text/*", "application/*", "",
                   "application/json;q=0", None):
        yield Case(f"accept {accept!r}", "GET", "/v1/clustertemplates", headers={"Accept": accept})
        yield Case(f"accept {accept!r} of an error", "GET", "/v1/clustertemplates/missing", headers={"Accept": accept})


def mutations(kind, path, body, fields, values, special, undo, **more):
    yield Case(f"{kind} as it should be", "POST", path, body=body, undo=undo, **more)
    for name in body:
        yield Case(f"{kind} without {name}", "POST", path, body=without(body, name), undo=undo, **more)
    for name in fields:
        for value in [*values, *special.get(name, [])]:
            shown = repr(value) if len(repr(value)) < 60 else f"{len(value)} characters"
            yield Case(f"{kind} {name}={shown}", "POST", path, body=body | {name: value}, undo=undo, **more)


def templates():
    yield from mutations("template", "/v1/clustertemplates", TEMPLATE, TEMPLATE_FIELDS, VALUES, TEMPLATE_SPECIAL,
                         "/v1/clustertemplates")
    yield Case("template bare", "POST", "/v1/clustertemplates", undo="/v1/clustertemplates",
               body={"coe": "kubernetes", "image_id": "ubuntu-kube"})


def clusters():
    yield from mutations("cluster", "/v1/clusters", CLUSTER, CLUSTER_FIELDS, CLUSTER_VALUES, CLUSTER_SPECIAL,
                         "/v1/clusters")
    for version in ("1.1", "1.9", "1.10"):
        yield Case(f"cluster at {version} of a missing template", "POST", "/v1/clusters", version=version,
                   body=CLUSTER | {"cluster_template_id": "missing"})
        yield Case(f"cluster at {version} of no nodes", "POST", "/v1/clusters", version=version,
                   body=CLUSTER | {"node_count": 0}, undo="/v1/clusters")


def patches():
    def patch(op, path, *value):
        return [{"op": op, "path": path, **({"value": value[0]} if value else {})}]

    shapes = {
        "nothing": [], "an object": {}, "a text": "x", "no op": [{"path": "/name", "value": "x"}],
        "no path": [{"op": "replace", "value": "x"}], "a number": [1], "unknown key": [
            {"op": "replace", "path": "/name", "value": "x", "more": 1}],
        "no value": patch("replace", "/name"), "move": [{"op": "move", "path": "/name", "from": "/x"}],
        "test": patch("test", "/name", "x"), "copy": [{"op": "copy", "path": "/name", "from": "/x"}],
        "upper case": patch("REPLACE", "/name", "x"), "no slash": patch("replace", "name", "x"),
        "root": patch("replace", "/", "x"), "empty path": patch("replace", "", "x"),
        "dots": patch("replace", "/labels/a.b", "x"), "a list as value": patch("replace", "/labels", ["x"]),
        "an object as value": patch("replace", "/labels", {"a": "b"}),
        "a literal": patch("replace", "/labels", "{'a': 'b'}"), "null": patch("replace", "/name", None),
        "a float": patch("replace", "/node_count", 1.5),
    }
    for target in ("clustertemplates/{patched}", "clusters/{cluster}", "clusters/{cluster}/nodegroups/default-worker"):
        renew = ("patched", "/v1/clustertemplates", PATCHED) if "patched" in target else None
        for label, body in shapes.items():
            if "clusters/" in target and label in ("a literal", "an object as value"):
                continue
            yield Case(f"patch {target} shape {label}", "PATCH", f"/v1/{target}", body=body, renew=renew)
        yield Case(f"patch {target} as json-patch", "PATCH", f"/v1/{target}", raw=b"[]",
                   headers={"Content-Type": "application/json-patch+json"})
    for name in TEMPLATE_FIELDS:
        for op, value in (("replace", "12"), ("replace", 12), ("replace", True), ("add", "x"), ("remove", None)):
            body = patch(op, f"/{name}") if op == "remove" else patch(op, f"/{name}", value)
            yield Case(f"patch template {op} /{name} {value!r}", "PATCH", "/v1/clustertemplates/{patched}", body=body,
                       renew=("patched", "/v1/clustertemplates", PATCHED))
    for name in ("name", "labels", "master_count", "flavor_id", "status", "stack_id", "api_address", "uuid", "id",
                 "cluster_template_id", "keypair", "create_timeout", "faults", "unknown", "discovery_url",
                 "health_status", "health_status_reason"):
        for op, value in (("replace", "x"), ("add", "x"), ("remove", None)):
            body = patch(op, f"/{name}") if op == "remove" else patch(op, f"/{name}", value)
            yield Case(f"patch cluster {op} /{name}", "PATCH", "/v1/clusters/{cluster}", body=body)
    # As text only what it is already, since Jeroboam takes it.
    for value in ("1", -1, 1.5, None, "x", []):
        yield Case(f"patch cluster node_count={value!r}", "PATCH", "/v1/clusters/{cluster}",
                   body=patch("replace", "/node_count", value))
    for name in ("name", "labels", "role", "is_default", "flavor_id", "image_id", "node_count", "status", "version",
                 "uuid", "unknown"):
        for op in ("replace", "add", "remove"):
            body = patch(op, f"/{name}") if op == "remove" else patch(op, f"/{name}", "x")
            yield Case(f"patch nodegroup {op} /{name}", "PATCH", "/v1/clusters/{cluster}/nodegroups/default-worker",
                       body=body)
    for name, value in (("min_node_count", -1), ("max_node_count", -1),
                        ("min_node_count", "x"), ("node_taints", "x"), ("node_labels", "x")):
        yield Case(f"patch nodegroup {name}={value!r}", "PATCH",
                   "/v1/clusters/{cluster}/nodegroups/default-worker", body=patch("replace", f"/{name}", value))


def nodegroups():
    """All are refused or undone at once; they want a cluster that is complete."""
    body = {"name": "case", "node_count": 1, "flavor_id": "m1.small"}
    path = "/v1/clusters/{cluster}/nodegroups"
    for name in NODEGROUP_FIELDS:
        for value in NODEGROUP_SPECIAL.get(name, []) + ([-1, "x", [1], ""] if name != "labels" else ["x", [1]]):
            if name in ("flavor_id", "image_id", "role", "name", "labels", "node_labels") and value in ("x", {"a": "b"}):
                continue
            yield Case(f"nodegroup {name}={value!r}", "POST", path, body=body | {name: value}, undo=path)
    yield Case("nodegroup with a name that is taken", "POST", path, body=body | {"name": "default-worker"})
    yield Case("nodegroup deletion of the default", "DELETE", f"{path}/default-worker")
    yield Case("nodegroup deletion of none", "DELETE", f"{path}/missing")
    for version in ("1.1", "1.8", "1.9"):
        yield Case(f"nodegroup at {version}", "POST", path, version=version, body=body | {"role": "master"}, undo=path)


def actions():
    resize, upgrade = "/v1/clusters/{cluster}/actions/resize", "/v1/clusters/{cluster}/actions/upgrade"
    for body in ({}, {"node_count": -1}, {"node_count": "x"}, {"node_count": None}, {"node_count": 1.5},
                 {"node_count": 1, "nodegroup": "missing"}, {"node_count": 1, "nodegroup": ""},
                 {"node_count": 1, "nodes_to_remove": "x"}, {"node_count": 1, "unknown": 1},
                 {"node_count": 2, "nodegroup": "default-master"}):
        yield Case(f"resize {body}", "POST", resize, body=body)
    for version in ("1.1", "1.6", "1.7", "1.9"):
        yield Case(f"resize at {version}", "POST", resize, version=version, body={"node_count": 0, "nodegroup": "missing"})
    for body in ({"cluster_template": "missing", "max_batch_size": 1},
                 {"cluster_template": "{template}", "max_batch_size": 0},
                 {"cluster_template": "{template}", "max_batch_size": "x"},
                 {"cluster_template": "{template}", "max_batch_size": 1, "nodegroup": "missing"},
                 {"cluster_template": "{template}", "max_batch_size": 1, "unknown": 1},
                 {"cluster_template": "", "max_batch_size": 1}):
        yield Case(f"upgrade {body}", "POST", upgrade, body=body)
    for version in ("1.6", "1.7", "1.8"):
        yield Case(f"upgrade at {version}", "POST", upgrade, version=version,
                   body={"cluster_template": "missing", "max_batch_size": 1})
    yield Case("credentials of none", "PATCH", "/v1/credentials/missing")
    for version in ("1.11", "1.12"):
        yield Case(f"credentials at {version} of none", "PATCH", "/v1/credentials/missing", version=version)


def certificates(csr):
    for kind in ("kubernetes", "etcd", "front_proxy", "front-proxy", "kubelet", "nope", ""):
        yield Case(f"certificate of type {kind!r}", "GET", f"/v1/certificates/{{cluster}}?ca_cert_type={kind}")
    yield Case("certificate type in the path", "GET", "/v1/certificates/{cluster}/etcd")
    post = "/v1/certificates"
    good = {"cluster_uuid": "{cluster}", "csr": csr}
    yield Case("certificate signed", "POST", post, body=good)
    yield Case("certificate signed by name", "POST", post, body=good | {"cluster_uuid": "sequence"})
    for name, value in (("csr", ""), ("csr", "x"), ("csr", None), ("csr", 1), ("cluster_uuid", "missing"),
                        ("cluster_uuid", None), ("cluster_uuid", ""), ("ca_cert_type", "etcd"), ("ca_cert_type", "nope"),
                        ("ca_cert_type", 1), ("pem", "x"), ("unknown", 1)):
        yield Case(f"certificate {name}={value!r}", "POST", post, body=good | {name: value})
    for name in good:
        yield Case(f"certificate without {name}", "POST", post, body=without(good, name))
    yield Case("certificate rotation of none", "PATCH", "/v1/certificates/missing")


def quotas():
    path = "/v1/quotas/{alt_project}/Cluster"
    yield Case("quota that is not set", "GET", path, who="admin")
    yield Case("quota of a stranger", "GET", path)
    yield Case("quota of one's own", "GET", "/v1/quotas/{project}/Cluster")
    for body in ({"project_id": "{alt_project}", "resource": "Cluster", "hard_limit": 7},
                 {"project_id": "{alt_project}", "resource": "Cluster", "hard_limit": 7},
                 {"project_id": "missing", "resource": "Cluster", "hard_limit": 7},
                 {"project_id": "{alt_project}", "resource": "Node", "hard_limit": 7},
                 {"project_id": "{alt_project}", "hard_limit": -1}, {"project_id": "{alt_project}", "hard_limit": "x"},
                 {"project_id": "", "hard_limit": 1}, {"hard_limit": 1},
                 {"project_id": "{alt_project}", "resource": "Cluster", "hard_limit": 7, "unknown": 1}):
        yield Case(f"quota create {body}", "POST", "/v1/quotas", body=body, who="admin")
    yield Case("quota create as demo", "POST", "/v1/quotas", body={"project_id": "{project}", "hard_limit": 1})
    yield Case("quota shown", "GET", path, who="admin")
    yield Case("quota list", "GET", "/v1/quotas?all_tenants=1", who="admin")
    yield Case("quota list with a marker", "GET", "/v1/quotas?all_tenants=1&marker=x", who="admin")
    for body in ({"hard_limit": 9}, {"hard_limit": -1}, {"hard_limit": "x"}, {"hard_limit": None}, {"unknown": 1}, []):
        yield Case(f"quota update {body}", "PATCH", path, body=body, who="admin")
    yield Case("quota update of none", "PATCH", "/v1/quotas/missing/Cluster", body={"hard_limit": 9}, who="admin")
    yield Case("quota update as demo", "PATCH", path, body={"hard_limit": 9})
    yield Case("quota deleted", "DELETE", path, who="admin")
    yield Case("quota deleted again", "DELETE", path, who="admin")
    for query in ("", "?project_id={project}", "?project_id={alt_project}", "?type=cluster", "?type=CLUSTER",
                  "?type=node", "?unknown=1", "?project_id=missing"):
        for who in ("demo", "admin"):
            yield Case(f"stats{query} as {who}", "GET", f"/v1/stats{query}", who=who)


def federations():
    for body in ({}, {"name": "f"}, {"name": "f", "hostcluster_id": "missing"},
                 {"name": "f", "hostcluster_id": "{cluster}"},
                 {"name": "f", "hostcluster_id": "{cluster}", "properties": {"dns-zone": "x"}}):
        yield Case(f"federation create {body}", "POST", "/v1/federations", body=body)
    yield Case("federation of none", "GET", "/v1/federations/missing")
    yield Case("federation deleted", "DELETE", "/v1/federations/missing")
    yield Case("federation patched", "PATCH", "/v1/federations/missing", body=[])


def stateless(csr):
    """Everything that leaves the services as they were, in the order in which it is sent."""
    for group in (documents, versions, lists, callers, identifiers, bodies, templates, patches, nodegroups, actions):
        yield from group()
    yield from certificates(csr)
    yield from quotas()
    yield from federations()
    yield from clusters()
