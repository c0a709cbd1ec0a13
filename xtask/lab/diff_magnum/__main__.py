"""Sends every case to both services at the same time and fails if an answer differs in a way that is not listed."""

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import openstack

from . import cases, known, sequences
from .compare import differences
from .sides import Side

# Longest that an answer may take to tell of a change, in seconds.
MOMENT = 15


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask diff-magnum")
    parser.add_argument("--magnum", required=True)
    parser.add_argument("--jeroboam", required=True)
    parser.add_argument("--only", default="", help="regular expression of names of cases")
    parser.add_argument("--no-sequences", action="store_true", help="leave out what changes clusters")
    parser.add_argument("--report", help="file for every difference, also the listed ones")
    return parser.parse_args()


def log_in(user, **scope):
    return openstack.connect(
        auth_url=os.environ["LAB_KEYSTONE"], username=user, password=os.environ["LAB_PASSWORD"],
        user_domain_id="default", region_name=os.environ["LAB_REGION"], **scope)


def project(name):
    return {"project_name": name, "project_domain_id": "default"}


def tokens():
    users = {name: "demo" for name in ("demo", "demo_reader", "demo_manager", "demo_nobody")}
    users |= {"alt_demo": "alt_demo", "admin": "admin"}
    found = {user: log_in(user, **project(of)).auth_token for user, of in users.items()}
    found["system"] = log_in("admin", system_scope="all").auth_token
    found["bad"] = "no-such-token"
    return found


def signing_request():
    made = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/O=o/CN=cn"],
        capture_output=True, text=True, check=True)
    return made.stdout


def main():
    options = arguments()
    listed = known.load()
    held = tokens()
    sides = [Side("magnum", options.magnum, held), Side("jeroboam", options.jeroboam, held)]
    for side in sides:
        side.names |= {"project": log_in("demo", **project("demo")).current_project_id,
                       "alt_project": log_in("alt_demo", **project("alt_demo")).current_project_id}
    wanted = re.compile(options.only)
    unlisted, used, count = [], set(), 0
    report = open(options.report, "w") if options.report else None
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        def ask(case):
            nonlocal count
            count += 1
            left, right = pool.map(lambda side: side.call(case), sides)
            # What Magnum has accepted is seen a moment later.
            end = time.monotonic() + MOMENT
            while (case.method == "GET" and "{cluster}" in case.path and time.monotonic() < end
                   and any(not known.find(listed, case.name, line) for line in differences(left, right))):
                time.sleep(0.5)
                left, right = pool.map(lambda side: side.call(case), sides)
            for line in differences(left, right):
                rule = known.find(listed, case.name, line)
                used.add(rule and rule.number)
                if report:
                    bodies = f"\t{left.body}\t{right.body}" if line.startswith("status") else ""
                    print(f"{rule.number if rule else 'NEW'}\t{case.name}\t{line}{bodies}", file=report, flush=True)
                if not rule:
                    unlisted.append((case.name, line, left.body, right.body))
            if case.method != "GET" and "/clusters/{cluster}" in case.path and 202 in (left.status, right.status):
                # The next case wants a cluster that stands.
                wait(Side.settle)
            return left, right

        def wait(condition):
            list(pool.map(condition, sides))

        sequences.prepare(ask, wait)
        for case in cases.stateless(signing_request()):
            if wanted.search(case.name):
                ask(case)
        if not options.no_sequences:
            sequences.change(ask, wait)
        sequences.clean(ask, wait)
    for name, line, left, right in unlisted[:200]:
        print(f"{name}: {line}")
        if line.startswith("status"):
            print(f"    magnum:   {str(left)[:300]}\n    jeroboam: {str(right)[:300]}")
    print(f"{count} requests to each in {time.monotonic() - started:.0f} s; {len(unlisted)} differences that are not "
          f"listed, {len(used - {None})} of {sum(1 for rule in listed if rule.cases)} listed kinds were seen")
    if not options.only:
        for rule in listed:
            if rule.cases and rule.number not in used:
                print(f"not seen any more: {rule.cases} {rule.difference}")
    if not known.is_rendered(listed):
        print("docs/user/differences.md is not what the list says; run cargo xtask diff-magnum -- --render")
        return 1
    return 1 if unlisted else 0


sys.exit(main())
