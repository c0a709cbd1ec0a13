"""The simulated cloud with real machines, the service beside it, and a tenant's ways to both."""

import json
import os
import subprocess
import time

import openstack
from keystoneauth1.adapter import Adapter

# Seconds for anything that boots machines, on two busy cores.
PATIENCE = 600

# The service looks often, and gives lost nodes little time.
IMPATIENT = {"OS_KUBERNETES__HEALTH_POLLING_INTERVAL": "3", "OS_ENGINE__HEAL_AFTER_SECS": "10",
             "OS_ADDONS__MEND_INTERVAL_MINS": "1"}

# Add-ons of the operator's own.
CATALOGUE = {"OS_ADDONS__CATALOGUE": os.path.abspath("xtask/e2e/kubernetes/add-ons/catalogue.yaml")}


class Failed(Exception):
    """A check that did not hold."""


def check(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


def wait(what, look, seconds=PATIENCE, pause=0.3):
    """Looks until the answer is something; gives it."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        check(time.monotonic() < until, f"not within {seconds} s: {what}")
        time.sleep(pause)


def _named(process):
    with open(f"/proc/{process}/comm", encoding="utf-8") as file:
        return file.read().strip()


class Cloud:
    """`jeroboam demo --empty`: what it starts ends with it."""

    def __init__(self, program, image_root, state_dir, **options):
        self.state_dir = state_dir
        self.process = subprocess.Popen(
            [program, "demo", "--empty", "--json", "--coe", "kubernetes", "--image-root", image_root, "--state-dir",
             state_dir, "--port", "0", "--cloud-port", "0"], stdout=subprocess.PIPE, text=True,
            env=os.environ | IMPATIENT | CATALOGUE | options)
        self.facts = self._facts()
        self.url = self.facts["magnum_url"]
        self.variables = {}
        with open(self.facts["openrc"], encoding="utf-8") as file:
            for line in file:
                name, _, value = line.removeprefix("export ").strip().partition("=")
                self.variables[name] = value
        self.tenant = self._log_in("demo", "demo")
        self.magnum = Adapter(self.tenant.session, service_type="container-infra", endpoint_override=f"{self.url}/v1")
        self.sim = self.variables["OS_AUTH_URL"].replace("/identity/v3", "/_sim")

    def _facts(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "next":
                return event["data"]
            print(f"         {event['data'].get('text', event['event'])}", flush=True)
        raise Failed(f"the cloud has stopped: exit code {self.process.wait()}")

    def _log_in(self, user, project):
        return openstack.connect(
            auth_url=self.variables["OS_AUTH_URL"], username=user, password="secret", project_name=project,
            user_domain_id="default", project_domain_id="default", region_name="RegionOne")

    def stop(self):
        self.process.terminate()
        check(self.process.wait(180) == 0, "the cloud and the service did not end well")

    # The Magnum API

    def call(self, method, path, expected, **body):
        body = {"json": body} if body else {}
        answer = self.magnum.request(f"/{path}", method, raise_exc=False, microversion="1.11", **body)
        check(answer.status_code == expected, f"{method} {path} answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None

    def template(self, name, **fields):
        fixed = {
            "name": name, "coe": "kubernetes", "image_id": "debian-12-docker", "flavor_id": "m1.small",
            "master_flavor_id": "m1.small", "external_network_id": "public", "dns_nameserver": "9.9.9.9",
            "network_driver": "neutron", "floating_ip_enabled": True,
        }
        labels = {
            "kube_tag": "v1.20.2", "container_infra_prefix": "localhost/kube", "etcd_tag": "3.5.16-0",
            "coredns_enabled": "false", "kube_proxy_conntrack_max_per_core": "0",
        } | fields.pop("labels", {})
        return self.call("POST", "clustertemplates", 201, **fixed | fields, labels=labels)["uuid"]

    def settled(self, cluster, expected, seconds=PATIENCE):
        """Waits until nothing is in progress; the cluster must be as expected then."""
        def look():
            shown = self.call("GET", f"clusters/{cluster}", 200)
            return None if shown["status"].endswith("_IN_PROGRESS") else shown
        shown = wait(f"the cluster is {expected}", look, seconds)
        check(shown["status"] == expected, f"the cluster is {shown['status']}: {shown['status_reason']}")
        return shown

    def create(self, name, template, **fields):
        """Creates a cluster; gives it and the seconds from POST to CREATE_COMPLETE."""
        begun = time.monotonic()
        cluster = self.call("POST", "clusters", 202, name=name, cluster_template_id=template, create_timeout=10, **fields)
        shown = self.settled(cluster["uuid"], "CREATE_COMPLETE")
        return shown, time.monotonic() - begun

    def delete(self, cluster):
        self.call("DELETE", f"clusters/{cluster}", 204)

        def gone():
            answer = self.magnum.get(f"/clusters/{cluster}", raise_exc=False)
            check(answer.status_code == 404 or answer.json()["status"] != "DELETE_FAILED", answer.text)
            return answer.status_code == 404
        wait("the cluster is gone", gone)

    def client(self, *arguments):
        """The unmodified `openstack` client; gives its standard output."""
        # `coe cluster config` of python-magnumclient reads SHELL, which services that run tests do not set.
        own = {"SHELL": "/bin/bash"} | {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        done = subprocess.run([os.environ["E2E_OPENSTACK"], *arguments], env=own | self.variables, capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        check(done.returncode == 0, f"openstack {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    # The cloud

    def servers(self, cluster):
        """Servers of a cluster: uuid by name."""
        found = self.tenant.compute.servers(details=True)
        return {one.name: one.id for one in found if one.metadata.get("jeroboam_cluster") == cluster}

    def user_data(self, servers):
        """User-data of servers by name, as only an administrator sees it."""
        admin = self._log_in("admin", "admin")
        show = "OS-EXT-SRV-ATTR:user_data"
        return {name: admin.compute.get(f"/servers/{server}", microversion="2.3").json()["server"][show]
                for name, server in servers.items()}

    def disk(self, server):
        """What a machine has written on its disk, as a directory of this host."""
        return os.path.join(self.state_dir, "machines", "servers", server, "upper")

    def power_cut(self, server):
        """Ends every process of a machine at once."""
        answer = self.tenant.session.post(f"{self.sim}/servers/{server}/power-cut", authenticated=False)
        check(answer.status_code == 204, answer.text)

    def first_process(self, server):
        """Number of a machine's init on this host."""
        with open(os.path.join(self.state_dir, "machines", "servers", server, "supervisor.pid"), encoding="utf-8") as file:
            supervisor = file.read().strip()
        with open(f"/proc/{supervisor}/task/{supervisor}/children", encoding="utf-8") as file:
            children = file.read().split()
        return next(child for child in children if _named(child) == "systemd")

    def inside(self, server, *command):
        """Runs a command in a machine, as its own root; gives what it said."""
        init = self.first_process(server)
        done = subprocess.run(["nsenter", "-t", init, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", *command],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        check(done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def left(self):
        """What exists beyond the seed."""
        return self.tenant.session.get(f"{self.sim}/usage", authenticated=False).json()["counts"]
