"""Docker's API over its local socket."""

import http.client
import json
import socket

from console import Failed


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(node, method, path, body=None, timeout=120):
    """The answer's value. Any other outcome is Failed."""
    connection = Connection(node["docker_socket"], timeout)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        answer = connection.getresponse()
        value = json.loads(answer.read() or b"null")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Failed("docker does not answer: %s" % error) from error
    finally:
        connection.close()
    if answer.status >= 300:
        message = value.get("message") if isinstance(value, dict) else value
        raise Failed("docker refuses %s %s: %s" % (method, path, message))
    return value
