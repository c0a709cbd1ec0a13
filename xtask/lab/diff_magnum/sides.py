"""The two services that are compared, and answers of theirs without what differs by nature."""

import json
import re
import time
from dataclasses import dataclass, field

import requests

# How long an operation may take, in seconds: Magnum looks at its clusters every ten.
PATIENCE = 300

# Headers whose presence and value are part of the contract.
HEADERS = (
    "Allow",
    "Content-Type",
    "Location",
    "OpenStack-API-Maximum-Version",
    "OpenStack-API-Minimum-Version",
    "OpenStack-API-Version",
    "Retry-After",
    "Vary",
    "WWW-Authenticate",
    "X-Openstack-Request-Id",
)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Names that a service makes up, such as pi-21-template.
MADE_UP = re.compile(r"\b[a-z]+-\d+-(template|cluster)\b")
NODASH = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----[^-]+-----END [A-Z ]+-----(\\n)?")


@dataclass
class Case:
    """One request. `{name}` in paths and bodies stands for what an earlier answer was saved as."""

    name: str
    method: str
    path: str
    body: object = None
    raw: bytes | None = None
    headers: dict = field(default_factory=dict)
    who: str | None = "demo"
    version: str | None = "1.14"
    # Remembers the id that the answer has, under this name.
    save: str | None = None
    # Deletes what the request made, so that it cannot be seen in later answers; its collection.
    undo: str | None = None
    # Makes the object of this name anew if the request changed it: its collection and body.
    renew: tuple[str, str, object] | None = None


@dataclass
class Answer:
    status: int
    headers: dict
    body: object


class Side:
    """A service, and what its objects are called."""

    def __init__(self, name, base, tokens):
        self.name = name
        self.base = base.rstrip("/")
        self.tokens = tokens
        self.names = {}
        self.session = requests.Session()
        self.session.headers.clear()

    def call(self, case):
        """Sends the request; the answer is reduced to what can be compared."""
        try:
            response = self.send(case)
        except requests.ConnectionError:
            # The service gave the connection up without an answer.
            return Answer(0, {}, None)
        made = _id_of(response)
        if case.save and made:
            self.names[case.save] = made
        if case.undo and made and response.status_code < 300:
            # What is part of a cluster goes when the cluster stands again.
            is_part = "{cluster}" in case.undo
            if is_part:
                self.settle()
            self.send(Case("undo", "DELETE", f"{case.undo}/{made}", who=case.who))
            if is_part:
                self.settle()
        own = {made: "<new>"} if made and not case.save else {}
        if case.renew and response.status_code < 300:
            self.renew(*case.renew)
        return Answer(
            response.status_code,
            {name: self.normal(response.headers[name], own) for name in HEADERS if name in response.headers},
            self.normal_body(response, own),
        )

    def renew(self, name, path, body):
        self.send(Case("undo", "DELETE", f"{path}/{{{name}}}"))
        self.names[name] = self.send(Case("renew", "POST", path, body=body)).json()["uuid"]

    def send(self, case):
        headers = {"Accept": "application/json", "User-Agent": "diff-magnum"}
        if case.who:
            headers["X-Auth-Token"] = self.tokens[case.who]
        if case.version:
            headers["OpenStack-API-Version"] = f"container-infra {case.version}"
        data = case.raw
        if case.body is not None:
            headers["Content-Type"] = "application/json"
            data = self.filled(json.dumps(case.body)).encode()
        headers.update(case.headers)
        request = requests.Request(
            case.method, self.base + self.filled(case.path),
            headers={name: value for name, value in headers.items() if value is not None}, data=data)
        prepared = self.session.prepare_request(request)
        # Paths go out as they are written: no dots or doubled slashes are taken away.
        prepared.url = self.base + self.filled(case.path)
        for name, value in headers.items():
            if value is None:
                prepared.headers.pop(name, None)
        return self.session.send(prepared, timeout=120, allow_redirects=False)

    def settle(self, path="/v1/clusters/{cluster}"):
        """Waits until a cluster is not being worked on; 404 is settled too."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            response = self.send(Case("wait", "GET", path))
            if response.status_code == 404:
                return
            status = response.json().get("status", "")
            if status.endswith(("_COMPLETE", "_FAILED")):
                # What is compared next is a complete cluster.
                if status.endswith("_FAILED"):
                    print(f"{self.name}: {path} is {status}: {response.json().get('status_reason')}")
                return
            time.sleep(0.5)
        raise SystemExit(f"{self.name}: {path} is still {status} after {PATIENCE} s")

    def filled(self, text):
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def normal(self, text, own=()):
        """A text without ids, times and addresses of this service."""
        for value, symbol in [*dict(own).items(), *((value, f"<{name}>") for name, value in self.names.items())]:
            text = text.replace(value, symbol)
        text = text.replace(self.base, "<base>").replace(self.base.removeprefix("http://"), "<host>")
        text = re.sub(r"\breq-" + UUID.pattern, "<request>", text)
        text = TIME.sub("<time>", UUID.sub("<uuid>", text))
        text = MADE_UP.sub(r"<made up>-\1", text)
        return NODASH.sub("<id>", PEM.sub(r"<\1>", text))

    def normal_body(self, response, own):
        if not response.content:
            return None
        try:
            return json.loads(self.normal(json.dumps(response.json()), own))
        except ValueError:
            return self.normal(response.text, own)


def _id_of(response):
    try:
        body = response.json()
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    made = body.get("uuid")
    return made if isinstance(made, str) else None
