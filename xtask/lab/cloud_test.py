"""`cargo xtask lab test`: Jeroboam on real services, seen by real clients.

Every check is a line on standard output; the first that fails ends the run. Settings come in the environment:
LAB_PASSWORD, LAB_REGION, LAB_KEYSTONE and LAB_OPENSTACK, the path of the `openstack` client.
"""

import json
import os
import subprocess
import sys
import time

import openstack

PASSWORD = os.environ["LAB_PASSWORD"]
KEYSTONE = os.environ["LAB_KEYSTONE"]
REGION = os.environ["LAB_REGION"]
# How long an operation may take on two busy cores, in seconds.
PATIENCE = 420
START = time.monotonic()


def log_in(user, project=None):
    return openstack.connect(
        auth_url=KEYSTONE, username=user, password=PASSWORD, project_name=project or user,
        user_domain_id="default", project_domain_id="default", region_name=REGION)


admin, demo = log_in("admin"), log_in("demo")
PROJECT = demo.current_project_id


class Failed(Exception):
    pass


def check(what, holds, otherwise=""):
    if not holds:
        raise Failed(f"{what}: {otherwise}")
    print(f"[{time.monotonic() - START:4.0f} s] {what}", flush=True)


def variables(user="demo", project="demo"):
    return {
        "OS_AUTH_URL": KEYSTONE, "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": REGION, "OS_USERNAME": user,
        "OS_PASSWORD": PASSWORD, "OS_PROJECT_NAME": project, "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
    }


def run(*arguments, env=None):
    """The `openstack` client: its exit code and what it says."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    done = subprocess.run([os.environ["LAB_OPENSTACK"], *arguments], env=own | (env or variables()),
                          capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, (done.stdout + done.stderr).strip()


def coe(*arguments, env=None):
    code, said = run("coe", *arguments, env=env)
    if code:
        raise Failed(f"openstack coe {' '.join(arguments)}: {said}")
    return said


def refused(*arguments, env=None):
    code, said = run("coe", *arguments, env=env)
    if not code:
        raise Failed(f"openstack coe {' '.join(arguments)} was not refused: {said}")
    return said


def cluster(name):
    return next((one for one in demo.container_infrastructure_management.clusters() if one.name == name), None)


def wait_status(name, wanted):
    """Waits until a cluster has one of some statuses and returns it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = cluster(name)
        if found and found.status in wanted:
            return demo.container_infrastructure_management.get_cluster(found.id)
        if found and found.status.endswith("FAILED"):
            whole = demo.container_infrastructure_management.get_cluster(found.id)
            raise Failed(f"{name} is {whole.status}: {whole.status_reason}")
        time.sleep(1)
    raise Failed(f"{name} is {cluster(name)} after {PATIENCE} s instead of {wanted}")


def delete(name):
    coe("cluster", "delete", name)
    end = time.monotonic() + PATIENCE
    while found := cluster(name):
        if found.status == "DELETE_FAILED" or time.monotonic() > end:
            whole = demo.container_infrastructure_management.get_cluster(found.id)
            raise Failed(f"{name} is {whole.status}: {whole.status_reason}")
        time.sleep(1)


def inventory():
    """Everything in the cloud that a cluster may be made of, as `kind name id`."""
    found = set()

    def note(kind, things, of=lambda thing: True):
        found.update(f"{kind} {getattr(thing, 'name', '')} {thing.id}" for thing in things if of(thing))

    note("server", admin.compute.servers(all_projects=True), lambda it: it.status != "DELETED")
    note("server group", admin.compute.server_groups(all_projects=True))
    note("volume", admin.block_storage.volumes(all_projects=True))
    network = admin.network
    for kind in ("networks", "subnets", "routers", "ports", "security_groups", "ips"):
        # Neutron makes the default security group of a project by itself when it first looks at that.
        note(kind, getattr(network, kind)(), lambda it: it.name != "default")
    note("load balancer", admin.load_balancer.load_balancers(), lambda it: it.provisioning_status != "DELETED")
    note("secret", demo.key_manager.secrets())
    domain = admin.identity.find_domain("magnum")
    note("user", admin.identity.users(domain_id=domain.id))
    note("trust", admin.identity.trusts())
    assigned = admin.identity.role_assignments(scope_project_id=PROJECT)
    found.update(f"role {one.role['id']} of {one.user['id']} in project demo" for one in assigned if one.user)
    return found


def settled(before, otherwise):
    """Nothing more and nothing less than before; Neutron and Octavia let go of some things a little later."""
    end = time.monotonic() + 60
    while (after := inventory()) != before and time.monotonic() < end:
        time.sleep(2)
    more, less = sorted(after - before), sorted(before - after)
    check(f"nothing is left in the cloud {otherwise}", not more and not less, f"left {more}, missing {less}")


def template(name, *more):
    coe("cluster", "template", "create", name, "--coe", "swarm-mode", "--image", "debian-12-docker",
        "--external-network", "public", "--keypair", "key", "--flavor", "m1.small", "--master-flavor", "m1.small",
        "--docker-storage-driver", "overlay2", *more)


def whole_life(before):
    template("balanced", "--master-lb-enabled", "--floating-ip-enabled")
    coe("cluster", "create", "whole", "--cluster-template", "balanced", "--master-count", "3", "--node-count", "1")
    check("a cluster is accepted", True)
    made = wait_status("whole", {"CREATE_COMPLETE"})
    check("it is complete, with addresses of three masters and a node",
          len(made.master_addresses) == 3 and len(made.node_addresses) == 1, str(made))
    servers = [one for one in demo.compute.servers() if one.name.startswith("whole")]
    check("four servers are ACTIVE in the tenant's project",
          len(servers) == 4 and all(one.status == "ACTIVE" for one in servers), str(servers))
    balancers = list(demo.load_balancer.load_balancers())
    check("a load balancer is ACTIVE in the tenant's project",
          len(balancers) == 1 and balancers[0].provisioning_status == "ACTIVE", str(balancers))
    pools = list(demo.load_balancer.pools())
    members = [len(list(demo.load_balancer.members(pool))) for pool in pools]
    check("it has the three masters in each pool", members and all(count == 3 for count in members), str(members))
    check("its certificate authority is shown", "BEGIN CERTIFICATE" in coe("ca", "show", "whole"))
    groups = json.loads(coe("nodegroup", "list", "whole", "-f", "json"))
    check("it has two node groups", len(groups) == 2, str(groups))
    said = refused("cluster", "show", "whole", env=variables("alt_demo", "alt_demo"))
    check("another project does not see it", "404" in said or "could not be found" in said, said)
    said = refused("cluster", "delete", "whole", env=variables("demo_reader"))
    check("a reader may not delete it", "403" in said or "policy" in said.lower(), said)
    listed = json.loads(coe("cluster", "list", "-f", "json", env=variables("demo_reader")))
    check("a reader sees it", [one["name"] for one in listed] == ["whole"], str(listed))
    services = json.loads(coe("service", "list", "-f", "json", env=variables("admin", "admin")))
    check("an administrator sees the service", services and services[0]["state"] == "up", str(services))
    # Quotas are last: they need the cluster to count.
    quota = ("--project-id", PROJECT, "--resource", "Cluster")
    said = coe("quotas", "create", *quota, "--hard-limit", "1", env=variables("admin", "admin"))
    # The client ends well even when it is refused.
    check("an administrator sets a quota", "failed" not in said and "hard_limit" in said, said)
    said = refused("cluster", "create", "second", "--cluster-template", "balanced")
    check("a second cluster is refused by the quota of one", "quota" in said.lower() or "403" in said, said)
    coe("quotas", "delete", *quota, env=variables("admin", "admin"))
    delete("whole")
    check("it is deleted", True)
    coe("cluster", "template", "delete", "balanced")
    settled(before, "after its life")


def wrong_flavor():
    said = refused("cluster", "template", "create", "wrong", "--coe", "swarm-mode", "--image", "debian-12-docker",
                   "--external-network", "public", "--flavor", "none-such", "--docker-storage-driver", "overlay2")
    check("a flavor that does not exist is refused by its name", "none-such" in said, said)
    template("plain")
    said = refused("cluster", "create", "wrong", "--cluster-template", "plain", "--flavor", "none-such")
    check("also when a cluster asks for it", "none-such" in said, said)


def small_quota(before):
    admin.compute.update_quota_set(PROJECT, instances=1)
    try:
        coe("cluster", "create", "poor", "--cluster-template", "plain", "--node-count", "2")
        poor = wait_status("poor", {"CREATE_FAILED"})
        check("Nova's quota fails a cluster, which says so", "quota" in (poor.status_reason or "").lower(),
              str(poor.status_reason))
        delete("poor")
    finally:
        admin.compute.update_quota_set(PROJECT, instances=10000)
    settled(before, "after a failure")


def application_credential(before):
    made = demo.identity.create_application_credential(
        demo.current_user_id, "lab-test", roles=[{"name": "member"}, {"name": "load-balancer_member"}])
    env = {
        "OS_AUTH_TYPE": "v3applicationcredential", "OS_AUTH_URL": KEYSTONE, "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": REGION, "OS_APPLICATION_CREDENTIAL_ID": made.id,
        "OS_APPLICATION_CREDENTIAL_SECRET": made.secret,
    }
    try:
        coe("cluster", "create", "app", "--cluster-template", "plain", "--node-count", "1", env=env)
        wait_status("app", {"CREATE_COMPLETE"})
        check("an application credential creates a cluster", True)
    finally:
        demo.identity.delete_application_credential(demo.current_user_id, made.id)
    delete("app")
    check("which is deleted when the credential is gone", True)
    coe("cluster", "template", "delete", "plain")
    settled(before, "after an application credential")


def main():
    before = inventory()
    whole_life(before)
    wrong_flavor()
    small_quota(before)
    application_credential(before)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        print(f"FAILED after {time.monotonic() - START:.0f} s: {failure}", file=sys.stderr)
        sys.exit(1)
