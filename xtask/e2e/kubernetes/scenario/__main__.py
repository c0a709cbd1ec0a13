"""`cargo xtask e2e kubernetes`: the life of clusters on machines that boot, as their tenants see it.

Each step is a line with the seconds since the last one; the first that fails ends the run. E2E_OPENSTACK and
E2E_KUBECTL name the clients.
"""

import argparse
import os
import shutil
import sys
import time

from . import broken, private
from .addons import addons, lost
from .cloud import Cloud, Failed
from .compare import compare
from .heal import heal
from .life import deleted, life
from .masters import masters
from .restore import restore
from .rotation import rotation
from .upgrade import upgrade
from .virtual_ip import virtual_ip


SCENARIOS = ["life", "addons", "masters", "upgrade", "rotation", "heal", "virtual-ip", "restore", "private",
             "broken"]


class Steps:
    """Prints what was done and how long it took."""

    def __init__(self):
        self.begun = self.last = time.monotonic()

    def __call__(self, text):
        now = time.monotonic()
        print(f"{now - self.last:6.1f} s  {text}", flush=True)
        self.last = now


class Clouds:
    """One cloud at a time."""

    def __init__(self, given, step):
        self.given, self.step, self.present = given, step, None

    def start(self, image_root, **options):
        self.stop()
        self.present = Cloud(self.given.program, image_root, self.given.state_dir, **options)
        self.step("the cloud and the service run")
        return self.present

    def stop(self):
        if self.present:
            self.present.stop()
        self.present = None


def main():
    arguments = argparse.ArgumentParser(prog="cargo xtask e2e kubernetes")
    arguments.add_argument("--program", required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--image-root", required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--bare-root", required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--state-dir", default="/var/tmp/jeroboam-e2e", help="where disks and logs are")
    arguments.add_argument("--only", choices=SCENARIOS, help="one of the clusters")
    arguments.add_argument("--compare", action="store_true", help="also boot the same user-data by a plain script")
    given = arguments.parse_args()
    certificates = os.path.join(given.state_dir, "certificates")
    step = Steps()
    clouds = Clouds(given, step)
    try:
        cloud = clouds.start(given.image_root) if given.only not in ("private", "broken") else None
        if given.only in (None, "life"):
            cluster, seconds = life(cloud, step, os.path.join(certificates, "life"))
            deleted(cloud, step, cluster)
            if given.compare:
                deleted(cloud, step, compare(cloud, step, os.path.join(certificates, "compare")))
        if given.only in (None, "addons"):
            deleted(cloud, step, addons(cloud, step, os.path.join(certificates, "addons")))
            deleted(cloud, step, *lost(cloud, step, os.path.join(certificates, "lost")))
        if given.only in (None, "masters"):
            deleted(cloud, step, masters(cloud, step, os.path.join(certificates, "masters")))
        if given.only in (None, "upgrade"):
            deleted(cloud, step, upgrade(cloud, step, os.path.join(certificates, "upgrade")))
        if given.only in (None, "rotation"):
            deleted(cloud, step, rotation(cloud, step, os.path.join(certificates, "rotation")))
        if given.only in (None, "heal"):
            deleted(cloud, step, heal(cloud, step, os.path.join(certificates, "heal")))
        if given.only in (None, "virtual-ip"):
            deleted(cloud, step, virtual_ip(cloud, step, os.path.join(certificates, "virtual-ip")))
        if given.only in (None, "restore"):
            deleted(cloud, step, restore(cloud, step, os.path.join(certificates, "restore")))
        if given.only in (None, "private"):
            cloud = clouds.start(given.image_root, **private.PATIENT)
            deleted(cloud, step, private.private(cloud, step, os.path.join(certificates, "private")))
        if given.only in (None, "broken"):
            cloud = clouds.start(given.image_root, **broken.IMPATIENT)
            deleted(cloud, step, *broken.broken(cloud, step))
            cloud = clouds.start(given.bare_root, **broken.IMPATIENT)
            deleted(cloud, step, broken.bare(cloud, step))
    except Failed as failure:
        print(f"FAILED: {failure}", file=sys.stderr, flush=True)
        if clouds.present:
            keep = shutil.copy(clouds.present.facts["log"], "/tmp/jeroboam-e2e.log")
            print(f"The service's log: {keep}", file=sys.stderr, flush=True)
        return 1
    finally:
        clouds.stop()
    print(f"{time.monotonic() - step.begun:6.1f} s  in all", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
