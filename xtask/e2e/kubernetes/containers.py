#!/usr/bin/env python3
"""containers.py DIR: the container images of a cluster, from the programs in DIR/bin: DIR/images/*.tar

There is no registry: `ctr images import` reads these. Each has its program, the libraries that it needs, and nothing
else.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile

REPOSITORY = "localhost/kube"
KUBERNETES = "v1.20.2"
# The same programs under the name of the next version, of which Debian has no source: an upgrade sees two versions.
LATER = "v1.20.3"
ETCD = "3.5.16-0"


class Root:
    """Contents of an image's only layer."""

    def __init__(self):
        self.entries = {}

    def add(self, path, source, mode=0o755):
        with open(source, "rb") as file:
            self.entries[path.lstrip("/")] = (mode, file.read())
        return self

    def text(self, path, content, mode=0o644):
        self.entries[path.lstrip("/")] = (mode, content.encode())
        return self

    def link(self, path, target):
        self.entries[path.lstrip("/")] = (None, target)
        return self

    def program(self, path, source, packages):
        """A program with the shared libraries that it needs, those of the packages first."""
        self.add(path, source)
        found = subprocess.run(["ldd", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        for library in re.findall(r"(/\S+)", found.stdout):
            own = packages + "/usr/lib/x86_64-linux-gnu/" + os.path.basename(library)
            self.add(library, os.path.realpath(own if os.path.exists(own) else library))
        return self

    def busybox(self, packages):
        self.add("bin/busybox", packages + "/bin/busybox")
        for applet in ("sh", "cat", "ls", "wget", "sleep", "hostname", "httpd", "nc", "ip", "ping", "date", "kill"):
            self.link("bin/" + applet, "busybox")
        return self.text("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")

    def layer(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name in sorted(self.directories()):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
                tar.addfile(entry)
            for name, (mode, content) in sorted(self.entries.items()):
                entry = tarfile.TarInfo(name)
                if mode is None:
                    entry.type, entry.linkname = tarfile.SYMTYPE, content
                    tar.addfile(entry)
                else:
                    entry.mode, entry.size = mode, len(content)
                    tar.addfile(entry, io.BytesIO(content))
        return out.getvalue()

    def directories(self):
        found = {"tmp", "etc", "proc", "sys", "dev", "run", "var"}
        for name in self.entries:
            parts = name.split("/")[:-1]
            found.update("/".join(parts[: i + 1]) for i in range(len(parts)))
        return found


def write(path, reference, root, entrypoint, command=None):
    layer = root.layer()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": entrypoint, "Cmd": command,
                   "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": "1970-01-01T00:00:00Z"}],
    }
    config = json.dumps(config).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for member, content in ((name, config), ("layer.tar", layer), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    print(reference)


def rename(directory, source, target):
    """Programs that say they are of the later version."""
    os.makedirs(target, exist_ok=True)
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubeadm"):
        with open(os.path.join(directory, source, name), "rb") as file:
            program = file.read()
        with open(os.path.join(target, name), "wb") as file:
            file.write(program.replace(KUBERNETES.encode(), LATER.encode()))
        os.chmod(os.path.join(target, name), 0o755)


def main(directory):
    binaries, packages, images = (os.path.join(directory, name) for name in ("bin", "packages", "images"))
    shutil.rmtree(images, ignore_errors=True)
    os.makedirs(images)
    later = os.path.join(directory, "later")
    rename(directory, "bin", later)

    def save(name, tag, root, entrypoint, command=None):
        write("%s/%s-%s.tar" % (images, name, tag), "%s/%s:%s" % (REPOSITORY, name, tag), root, entrypoint, command)

    save("pause", "3.2", Root().add("pause", binaries + "/pause"), ["/pause"])
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        save(name, KUBERNETES, Root().add("usr/local/bin/" + name, binaries + "/" + name), None)
        save(name, LATER, Root().add("usr/local/bin/" + name, later + "/" + name), None)
    etcd = Root().busybox(packages)
    for name in ("etcd", "etcdctl"):
        etcd.program("usr/local/bin/" + name, binaries + "/" + name, packages)
    save("etcd", ETCD, etcd, None)
    proxy = Root().busybox(packages).add("usr/local/bin/kube-proxy", binaries + "/kube-proxy")
    proxy.program("usr/sbin/xtables-nft-multi", packages + "/usr/sbin/xtables-nft-multi", packages)
    for tool in ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"):
        proxy.link("usr/sbin/" + tool, "xtables-nft-multi")
    extensions = packages + "/usr/lib/x86_64-linux-gnu/xtables"
    for name in os.listdir(extensions):
        proxy.program("usr/lib/x86_64-linux-gnu/xtables/" + name, os.path.realpath(extensions + "/" + name), packages)
    proxy.program("usr/sbin/conntrack", packages + "/usr/sbin/conntrack", packages)
    save("kube-proxy", KUBERNETES, proxy, None)
    save("kube-proxy", LATER, proxy.add("usr/local/bin/kube-proxy", later + "/kube-proxy"), None)
    # A web server that says which pod it is, and who asks.
    web, head = Root().busybox(packages), "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
    web.text("www/cgi-bin/name", head + "hostname\n", 0o755)
    web.text("www/cgi-bin/peer", head + "echo \"$REMOTE_ADDR\"\n", 0o755)
    save("web", "1", web, None, ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"])


if __name__ == "__main__":
    main(sys.argv[1])
