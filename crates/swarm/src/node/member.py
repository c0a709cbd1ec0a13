"""Makes this machine a member of its swarm: it starts the swarm, or joins it with a token from a manager.

May run at any time and as often as it likes: a member stays one. It never gives up, and the console of the
machine tells what it waits for.
"""

import http.client
import ipaddress
import json
import ssl
import subprocess
import sys
import threading
import time

import dockerapi
import fetch
from console import Failed, load_settings, persist, run, say

SWARM_PORT = 2377
# Docker's own choice, 10.0.0.0/8, would take the addresses of most tenants' networks.
ADDRESS_POOLS = ["10.128.0.0/9", "10.0.0.0/9", "172.24.0.0/13", "192.168.0.0/16"]


class Seeker:
    """Asks the managers, all at once and again and again, until one hands out a join token."""

    def __init__(self, node):
        self.node = node
        self.managers = [address for address in node["managers"] if address != node["address"]]
        self.started = time.monotonic()
        self.rounds = 0
        self.found = threading.Event()
        self.answer = None
        self.told = set()
        tls = node["tls_directory"]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_verify_locations(tls + "/node-ca.pem")
        self.context.load_cert_chain(tls + "/node.pem", tls + "/node-key.pem")

    def start(self):
        self.found.clear()
        if self.managers:
            threading.Thread(target=self.seek, daemon=True).start()

    def seek(self):
        pause = 0.3
        while not self.found.is_set():
            threads = [threading.Thread(target=self.ask, args=[address], daemon=True) for address in self.managers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.rounds += 1
            # Quick while the managers are being made too, gentle later.
            if time.monotonic() - self.started > 60:
                pause = min(pause * 1.5, 2.0)
            self.found.wait(pause)

    def ask(self, address):
        connection = http.client.HTTPSConnection(address, self.node["join_port"], timeout=1.5, context=self.context)
        try:
            connection.connect()
            connection.sock.settimeout(10)
            connection.request("GET", "/token")
            answer = connection.getresponse()
            value = json.loads(answer.read())
            if answer.status == 200:
                value["managers"] = value["managers"] or ["%s:%d" % (address, SWARM_PORT)]
                self.answer = value
                self.found.set()
            else:
                self.tell("manager %s: %s" % (address, value.get("error")))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.tell("manager %s: %s" % (address, error))
        finally:
            connection.close()

    def tell(self, text):
        if text not in self.told:
            self.told.add(text)
            say(text)


def free_address_pool():
    """Addresses for the swarm's own networks that no route of this machine leads to."""
    routes = []
    with open("/proc/net/route", encoding="utf-8") as file:
        for line in file.read().splitlines()[1:]:
            fields = line.split()
            destination, mask = (int(fields[i], 16).to_bytes(4, sys.byteorder) for i in (1, 7))
            if mask != bytes(4):
                routes.append(ipaddress.ip_network((destination, str(ipaddress.ip_address(mask)))))
    for pool in ADDRESS_POOLS:
        if not any(ipaddress.ip_network(pool).overlaps(route) for route in routes):
            return pool
    return ADDRESS_POOLS[0]


def start_swarm(node):
    own = "%s:%d" % (node["address"], SWARM_PORT)
    body = {"ListenAddr": own, "AdvertiseAddr": own, "DefaultAddrPool": [free_address_pool()], "SubnetSize": 24}
    dockerapi.call(node, "POST", "/swarm/init", body)
    say("started the swarm")


def join_swarm(node, answer):
    own = "%s:%d" % (node["address"], SWARM_PORT)
    body = {
        "ListenAddr": own,
        "AdvertiseAddr": own,
        "RemoteAddrs": answer["managers"],
        "JoinToken": answer["token"],
    }
    dockerapi.call(node, "POST", "/swarm/join", body)
    say("joined the swarm")


def become_member(node, seeker):
    """One try. A member for ever after: Docker itself goes back to its swarm after a reboot."""
    swarm = dockerapi.call(node, "GET", "/info")["Swarm"]
    state = swarm.get("LocalNodeState")
    if state == "active":
        return
    if state in ("pending", "locked"):
        raise Failed("docker is not in the swarm yet: %s %s" % (state, swarm.get("Error") or ""))
    if state == "error":
        if node["role"] != "worker":
            raise Failed("docker cannot go back to its swarm: %s" % swarm.get("Error"))
        say("docker cannot go back to its swarm, joining anew: %s" % swarm.get("Error"))
        dockerapi.call(node, "POST", "/swarm/leave?force=true")
    if node["first"]:
        # Another manager that hands out a token is a swarm that lives: never start a second one.
        while not seeker.found.is_set() and seeker.managers:
            waited = time.monotonic() - seeker.started
            if waited > node["first_waits_secs"] and seeker.rounds > 0:
                break
            seeker.found.wait(0.1)
        if not seeker.found.is_set():
            return start_swarm(node)
    else:
        seeker.found.wait()
    try:
        join_swarm(node, seeker.answer)
    except Failed:
        # The token may have been rotated, or the manager gone.
        seeker.start()
        raise


def hide_metadata(address):
    """Containers must not read this node's user-data, which has its key, from the cloud."""
    rule = ["DOCKER-USER", "-d", address, "-j", "DROP"]
    try:
        try:
            run("iptables", "-w", "-C", *rule)
        except Failed:
            run("iptables", "-w", "-I", *rule)
    except (Failed, OSError) as error:
        say("containers can reach the metadata service: %s" % error)


def await_docker(node):
    try:
        dockerapi.call(node, "GET", "/version")
    except Failed:
        failed = subprocess.run(["systemctl", "is-failed", "--quiet", "docker.service"], check=False)
        if failed.returncode == 0:
            log = subprocess.run(
                ["journalctl", "-u", "docker.service", "-n", "3", "-o", "cat", "-p", "err"],
                stdout=subprocess.PIPE, text=True, check=False,
            )
            subprocess.run(["systemctl", "reset-failed", "docker.service", "docker.socket"], check=False)
            subprocess.run(["systemctl", "start", "--no-block", "docker.socket", "docker.service"], check=False)
            raise Failed("docker does not start: %s" % log.stdout.strip()[-300:])
        raise


def join(node):
    persist(lambda: fetch.await_keys(node))
    seeker = Seeker(node)
    seeker.start()
    persist(lambda: await_docker(node))
    say("docker is up")
    if node["metadata_service"]:
        hide_metadata(node["metadata_service"])
    persist(lambda: become_member(node, seeker))
    seeker.found.set()
    say("%s is a member of the swarm" % node["host_name"])


if __name__ == "__main__":
    join(load_settings())
