"""Before Docker starts: its volume is mounted and its configuration written.

May run at any time and as often as it likes: what is done already stays as it is. It never gives up, because
Docker must not start without its volume.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess

import fetch
from console import Failed, load_settings, persist, run, say

DOCKER_ROOT = "/var/lib/docker"
DOCKER_PID = "/run/docker.pid"
DAEMON_CONFIG = "/etc/docker/daemon.json"


def link_mtu(address):
    """MTU of the interface that has the address; None when no interface has it."""
    get_address, get_mtu = 0x8915, 0x8921
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                if socket.inet_ntoa(fcntl.ioctl(probe, get_address, request)[20:24]) == address:
                    return struct.unpack_from("i", fcntl.ioctl(probe, get_mtu, request), 16)[0]
            except OSError:
                continue  # an interface without an address
    return None


def write_daemon_config(node):
    """True when the configuration was not as it should be."""
    try:
        with open(DAEMON_CONFIG, encoding="utf-8") as file:
            text = file.read()
        config = json.loads(text)
    except FileNotFoundError:
        text, config = "", {}
    except ValueError as error:
        raise Failed("%s: %s" % (DAEMON_CONFIG, error)) from error
    config.update(node["docker"])
    mtu = link_mtu(node["address"])
    if mtu and mtu < 1500:
        config.update({"mtu": mtu, "network-control-plane-mtu": mtu})
    wanted = json.dumps(config, indent=2, sort_keys=True) + "\n"
    if wanted == text:
        return False
    os.makedirs(os.path.dirname(DAEMON_CONFIG), exist_ok=True)
    with open(DAEMON_CONFIG + ".new", "w", encoding="utf-8") as file:
        file.write(wanted)
    os.replace(DAEMON_CONFIG + ".new", DAEMON_CONFIG)
    return True


def mounted_device(directory):
    """Device number of what is mounted on a directory; None when nothing is."""
    device = None
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[4] == directory:
                major, minor = fields[2].split(":")
                device = os.makedev(int(major), int(minor))
    return device


def file_system(device):
    """Kind of the file system on a device; empty when the device is blank."""
    done = subprocess.run(["blkid", "-p", "-o", "export", device], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 2):
        raise Failed("%s cannot be read: blkid answers %d" % (device, done.returncode))
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    found.pop("DEVNAME", None)
    return found.get("TYPE", "unknown") if found else ""


def mount_volume(volume):
    device, wanted = volume["device"], volume["file_system"]
    found = file_system(device)
    if not found:
        say("making %s on docker's volume" % wanted)
        run("mkfs." + wanted, "-q", "-L", "docker", device)
    elif found != wanted:
        raise Failed("docker's volume %s has a file system of type %s, not %s" % (device, found, wanted))
    os.makedirs(DOCKER_ROOT, exist_ok=True)
    run("mount", "-t", wanted, "-o", "noatime", device, DOCKER_ROOT)


def prepare(node):
    volume = node["docker_volume"]
    unmounted = False
    if volume:
        if not os.path.exists(volume["device"]):
            raise Failed("waiting for docker's volume, %s" % volume["device"])
        unmounted = mounted_device(DOCKER_ROOT) != os.stat(volume["device"]).st_rdev
    changed = write_daemon_config(node)
    if not unmounted and not changed:
        return
    # Docker is not meant to run yet. An image that starts it early costs one restart.
    early = os.path.exists(DOCKER_PID)
    if early:
        say("docker was started before it was configured: restarting it")
        run("systemctl", "stop", "docker.service")
    if unmounted:
        mount_volume(volume)
    if early:
        run("systemctl", "start", "--no-block", "docker.service")


if __name__ == "__main__":
    settings = load_settings()
    persist(lambda: fetch.fetch(settings))
    persist(lambda: prepare(settings))
