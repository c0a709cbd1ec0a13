#!/usr/bin/env python3
"""Plays scenario.json against an OpenStack cloud and writes down what its services answer.

    . openrc                                          # an administrator, by OS_* variables
    python3 record.py openstack-2026.2.json           # beside it lies scenario.json

Needs nothing but the standard library. The scenario makes a project and users of its own and removes them; where a
step fails, what it made stays behind under names that begin with the printed run name. A recording holds no secret,
no id, no address and no host name: see "normal" below. The simulator's test plays the same scenario and brings its
answers into the same form, so a change of the rules here is a change of tests/it/recorded/normal.rs too.

Environment: OS_AUTH_URL (with /v3), OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME, OS_USER_DOMAIN_NAME,
OS_PROJECT_DOMAIN_NAME, OS_REGION_NAME (any when unset), OS_INTERFACE (public when unset).
"""
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = ("content-type", "location", "openstack-api-version", "retry-after", "www-authenticate",
           "x-compute-request-id", "x-openstack-nova-api-version", "x-openstack-request-id", "x-subject-token")
# Those that are written down with their value; of the others only the presence counts.
VALUED = ("content-type", "openstack-api-version", "x-openstack-nova-api-version")
ALIASES = {"compute": ["compute"], "network": ["network"], "image": ["image"], "load-balancer": ["load-balancer"],
           "block-storage": ["block-storage", "volumev3"]}
SUFFIX = {"network": "/v2.0", "image": "/v2", "load-balancer": "/v2"}
PATIENCE_SECS = 180
RANDOM = {"secret": "<secret>", "adminPass": "<secret>", "audit_ids": "<random>"}

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MAC = re.compile(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b")
HEX = re.compile(r"\b[0-9a-f]{32,}\b")
IPV4 = re.compile(r"\b[0-9]{1,3}(\.[0-9]{1,3}){3}\b")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[0-9.:+Z-]*")


class Play:
    def __init__(self, scenario):
        env = os.environ
        self.keep = scenario["keep_addresses"]
        self.sessions = {}
        self.hidden = [env["OS_PASSWORD"]]
        self.auth_url = env["OS_AUTH_URL"].rstrip("/")
        self.variables = {
            "run": "rec-" + secrets.token_hex(4),
            "secret": secrets.token_urlsafe(12),
            "admin_name": env["OS_USERNAME"],
            "admin_password": env["OS_PASSWORD"],
            "admin_project": env["OS_PROJECT_NAME"],
            "admin_user_domain": env.get("OS_USER_DOMAIN_NAME", "Default"),
            "admin_project_domain": env.get("OS_PROJECT_DOMAIN_NAME", "Default"),
        }

    def fill(self, value):
        """Puts the variables into a text, or into all texts of a body."""
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+)\}", lambda found: str(self.variables[found[1]]), value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return value

    def root(self, service, session):
        if service == "identity":
            return self.auth_url
        interface, region = os.environ.get("OS_INTERFACE", "public"), os.environ.get("OS_REGION_NAME")
        for alias in ALIASES[service]:
            for entry in self.sessions[session]["catalog"]:
                for end in entry["endpoints"] if entry["type"] == alias else []:
                    if end["interface"] == interface and region in (None, "", end["region"]):
                        return end["url"].rstrip("/") + SUFFIX.get(service, "")
        sys.exit(f"the catalog has no {service}")

    def call(self, step):
        session = step.get("as", "tenant")
        url = self.root(step["service"], "admin" if session in ("nobody", "stranger") else session)
        url += self.fill(step["path"])
        headers = {"accept": "application/json"}
        if session == "stranger":
            headers["x-auth-token"] = "no-token-at-all"
        elif session != "nobody":
            headers["x-auth-token"] = self.sessions[session]["token"]
        if "subject" in step:
            subject = self.sessions.get(step["subject"])
            headers["x-subject-token"] = subject["token"] if subject else "no-token-at-all"
        if step["service"] == "compute":
            headers["openstack-api-version"] = "compute 2.67"
        data = None
        if "body" in step:
            data = json.dumps(self.fill(step["body"])).encode()
            headers["content-type"] = "application/json"
        request = urllib.request.Request(url, data, headers, method=step["method"])
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers, refusal.read()

    def play(self, step):
        deadline = time.monotonic() + PATIENCE_SECS
        while True:
            status, headers, raw = self.call(step)
            try:
                body = json.loads(raw) if raw.strip() else None
            except ValueError:
                body = raw.decode(errors="replace")
            until = step.get("until")
            if until is None or status == until.get("status", status) and all(
                    at(body, place) == self.fill(wanted) for place, wanted in until.get("body", {}).items()):
                break
            if time.monotonic() > deadline:
                sys.exit(f"{step['name']}: still {status} {body}")
            time.sleep(1)
        for name, place in step.get("capture", {}).items():
            value = at(body, place)
            if value is None:
                sys.exit(f"{step['name']}: no {place} in {status} {body}")
            self.variables[name] = value
        if "session" in step and status == 201:
            self.sessions[step["session"]] = {"token": headers["X-Subject-Token"], "catalog": body["token"].get("catalog", [])}
            self.hidden.append(headers["X-Subject-Token"])
        seen = {}
        for name in HEADERS:
            value = headers.get(name)
            if value is not None:
                seen[name] = value if name in VALUED else True
        return {"name": step["name"], "status": status, "headers": seen, "body": self.normal(body)}

    def normal(self, value, key=""):
        """A body in which everything that differs from run to run is a marker that tells its form."""
        if isinstance(value, dict):
            return {self.text(name): self.normal(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return sorted((self.normal(item, key) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        if isinstance(value, str):
            return RANDOM.get(key) or self.text(value)
        return value

    def text(self, text):
        if re.match(r"https?://", text):
            return "<url>"
        for name, value in self.variables.items():
            if name.startswith("admin_"):
                continue
            # A short value, such as a name that the cloud chose, counts only where it is the whole text.
            if text == value or len(value) >= 8:
                text = text.replace(value, "${" + name + "}")
        text = TIME.sub(lambda found: re.sub("[0-9]", "0", found[0]), text)
        text = UUID.sub("<uuid>", text)
        text = MAC.sub("<mac>", text)
        text = HEX.sub(lambda found: f"<hex{len(found[0])}>", text)
        return IPV4.sub(lambda found: found[0] if found[0] in self.keep else "<ip>", text)


def at(body, place):
    """What a JSON pointer leads to, or None."""
    for part in place.split("/")[1:]:
        try:
            body = body[int(part)] if isinstance(body, list) else body[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return body


def main():
    with open(os.path.join(HERE, "scenario.json")) as file:
        scenario = json.load(file)
    play = Play(scenario)
    print(play.variables["run"], file=sys.stderr)
    answers = []
    for step in scenario["steps"]:
        answers.append(play.play(step))
        print(f"{answers[-1]['status']}  {step['name']}", file=sys.stderr)
    text = json.dumps({"answers": answers}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    # A password that is a word, as simulators have, would be found in other words.
    if any(secret in text for secret in play.hidden if len(secret) >= 8):
        sys.exit("the recording would hold a secret; nothing is written")
    with open(sys.argv[1], "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
