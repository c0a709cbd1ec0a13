"""Hands out the swarm's join tokens, node to node.

Listens on managers. A caller shows a certificate of the cluster's node authority; its role, and so the token
that it gets, is the certificate's `O=`, never anything that the caller says.

    GET /token -> 200 {"token": "SWMTKN-...", "managers": ["10.0.0.5:2377"]}
                  503 {"error": "..."} as long as this manager is in no swarm
"""

import http.server
import json
import socketserver
import ssl
import threading

import dockerapi
import fetch
from console import Failed, load_settings, persist

TOKENS = {"swarm:manager": "Manager", "swarm:worker": "Worker"}
CALLER_SECS = 10
DOCKER_SECS = 5


def organizations(certificate):
    return [value for part in certificate.get("subject", ()) for key, value in part if key == "organizationName"]


def join_information(node, kind):
    swarm = dockerapi.call(node, "GET", "/info", timeout=DOCKER_SECS)["Swarm"]
    if swarm.get("LocalNodeState") != "active" or not swarm.get("ControlAvailable"):
        raise Failed("this manager is in no swarm")
    token = dockerapi.call(node, "GET", "/swarm", timeout=DOCKER_SECS)["JoinTokens"][kind]
    managers = [manager["Addr"] for manager in swarm.get("RemoteManagers") or []]
    return {"token": token, "managers": managers}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/token":
            return self.answer(404, {"error": "no such path"})
        kinds = [TOKENS[name] for name in organizations(self.request.getpeercert()) if name in TOKENS]
        if len(kinds) != 1:
            return self.answer(403, {"error": "the certificate names no role"})
        try:
            information = join_information(self.server.node, kinds[0])
        except Failed as error:
            return self.answer(503, {"error": str(error)})
        print("token for a %s to %s" % (kinds[0].lower(), self.client_address[0]), flush=True)
        return self.answer(200, information)

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *values):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, node):
        tls = node["tls_directory"]
        self.node = node
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(tls + "/node.pem", tls + "/node-key.pem")
        self.context.load_verify_locations(tls + "/node-ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.slots = threading.BoundedSemaphore(64)
        super().__init__((node["address"], node["join_port"]), Handler)

    def finish_request(self, request, client_address):
        # The handshake belongs to the caller's own thread: a silent caller must not hold up the others.
        with self.slots:
            try:
                request.settimeout(CALLER_SECS)
                with self.context.wrap_socket(request, server_side=True) as secured:
                    Handler(secured, client_address, self)
            except OSError as error:
                print("refused %s: %s" % (client_address[0], error), flush=True)


if __name__ == "__main__":
    settings = load_settings()
    persist(lambda: fetch.await_keys(settings))
    Server(settings).serve_forever()
