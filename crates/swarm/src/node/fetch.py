"""Gets this node's keys from the service by the token in its user-data, and says so when it has them.

The token is good for one node, for a while, and until then; so what was fetched is kept whole or not at all.
"""

import base64
import http.client
import os
import ssl
from urllib.parse import urlsplit

from console import Failed, say

ANSWER_SECS = 30
LONGEST_ANSWER = 1 << 20


def call(bootstrap, method):
    """Status and text of the service's answer. It is trusted by the certificates of the user-data and no others."""
    url = urlsplit(bootstrap["url"])
    directory = bootstrap["directory"]
    context = ssl.create_default_context(cafile=directory + "/bootstrap.crt")
    with open(directory + "/bootstrap.token", encoding="ascii") as file:
        token = file.read().strip()
    connection = http.client.HTTPSConnection(url.hostname, url.port or 443, timeout=ANSWER_SECS, context=context)
    try:
        headers = {"Authorization": "Bearer " + token}
        connection.request(method, url.path.rstrip("/") + "/v1/node-secrets", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_ANSWER).decode("ascii", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Failed("no keys yet: the service does not answer at %s: %s" % (bootstrap["url"], error)) from error
    finally:
        connection.close()


def write(path, content):
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(new, "wb") as file:
        file.write(content)
    os.replace(path + ".new", path)


def fetch(node):
    """Nothing to do for a node that found its keys in its user-data, or has fetched them."""
    bootstrap = node["bootstrap"]
    if not bootstrap:
        return
    token = bootstrap["directory"] + "/bootstrap.token"
    done = bootstrap["directory"] + "/bootstrap.done"
    if not os.path.exists(done):
        status, text = call(bootstrap, "POST")
        if status == 404:
            raise Failed("no keys yet: the service does not know this node's token, or not any more")
        lines = text.splitlines()
        if status != 200 or lines[-1:] != ["end"]:
            raise Failed("no keys yet: the service answers %d at %s" % (status, bootstrap["url"]))
        for line in lines[:-1]:
            path, content = line.split(" ", 1)
            write(path, base64.b64decode(content))
        os.sync()
        write(done, b"")
        say("this node has its keys")
    if os.path.exists(token):
        try:
            call(bootstrap, "DELETE")
        except Failed:
            pass  # That nobody is told is no harm: the token runs out.
        os.remove(token)


def await_keys(node):
    """For who needs the keys while somebody else fetches them. A certificate is written before its key."""
    if not os.path.exists(node["tls_directory"] + "/node-key.pem"):
        raise Failed("waiting for this node's keys")
