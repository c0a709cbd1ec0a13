#!/bin/bash
# image.sh BASE DIR ROOT: an image-builder style image for simulated machines: the base root, Kubernetes of DIR, and its
# container images as if they had been pulled. ROOT appears when it is whole.
set -euo pipefail
base=$1 dir=$2 root=$3
here=$(cd "$(dirname "$0")" && pwd)
new=$root.partial
rm -rf --one-file-system "$new"
cp -a --reflink=auto "$base" "$new"
install -m755 "$dir/bin/kubectl" "$new/usr/bin/"
# One disk for two images: a machine runs the version that its user-data is for.
mkdir -p "$new"/opt/kubernetes/v1.20.{2,3}
install -m755 "$dir"/bin/{kubelet,kubeadm} "$new/opt/kubernetes/v1.20.2/"
install -m755 "$dir"/later/{kubelet,kubeadm} "$new/opt/kubernetes/v1.20.3/"
for program in kubelet kubeadm; do
    printf '#!/bin/sh\nVERSION=v1.20.2\n[ ! -e /etc/jeroboam/node.env ] || . /etc/jeroboam/node.env\nexec "/opt/kubernetes/$VERSION/%s" "$@"\n' \
        "$program" >"$new/usr/bin/$program"
    chmod 755 "$new/usr/bin/$program"
done
install -m755 "$here/crictl.sh" "$new/usr/bin/crictl"
install -m644 "$here/kubelet.service" "$new/etc/systemd/system/"
mkdir -p "$new"/etc/containerd "$new"/etc/cni/net.d "$new"/var/lib/{kubelet,etcd}
install -m644 "$here/containerd.toml" "$new/etc/containerd/config.toml"
cp -a "$dir"/packages/usr/lib/cni "$new/usr/lib/"
cp -a "$dir"/packages/usr/sbin/conntrack "$new/usr/sbin/"
cp -an "$dir"/packages/usr/lib/x86_64-linux-gnu/lib{netfilter_conntrack,nfnetlink,mnl}.so* "$new/usr/lib/x86_64-linux-gnu/"
systemctl --root="$new" enable kubelet.service containerd.service 2>/dev/null
systemctl --root="$new" disable demo-image.service 2>/dev/null
systemctl --root="$new" mask docker.service docker.socket 2>/dev/null

# The image's own containerd takes the images in, in namespaces that die with it.
mkdir -p "$new/mnt/images"
export new images=$dir/images
unshare --mount --pid --net --fork --kill-child --propagation private bash -ec '
    mount --bind "$images" "$new/mnt/images"
    mount -t proc proc "$new/proc"
    mount --rbind /dev "$new/dev"
    mount -t tmpfs tmpfs "$new/run"
    mount -t tmpfs tmpfs "$new/tmp"
    exec chroot "$new" /bin/bash -ec "
        printf \"version = 2\ndisabled_plugins = [\\\"io.containerd.grpc.v1.cri\\\"]\n\" >/tmp/c.toml
        containerd -c /tmp/c.toml >/tmp/c.log 2>&1 & daemon=\$!
        for try in \$(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
        for image in /mnt/images/*.tar; do ctr -n k8s.io images import \$image >/dev/null; done
        ctr -n k8s.io images ls -q
        kill \$daemon
        wait \$daemon || true"'
rmdir "$new/mnt/images"
rm -rf "$root"
mv "$new" "$root"
