# images.sh [ROOT]: has containerd pull what this node cannot do without and the machine image does not bring along. The
# first image that cannot be had is told with the cause, and it fails.
set -u
root=${1:-}
. "$root/etc/jeroboam/node.env"
config=$root/etc/containerd/config.toml
cri() {
    crictl --runtime-endpoint unix:///run/containerd/containerd.sock "$@" 2>&1
}

# Every pod stands on the image of sandboxes: where it is not there, it comes from where the others come from. It is
# sandbox_image up to containerd 1.7, sandbox since.
needed=$(sed -n 's/^ *sandbox\(_image\)\{0,1\} *= *["'\'']\([^"'\'']*\)["'\''] *$/\2/p' "$config" 2>/dev/null | head -n 1)
other=$IMAGES/${needed##*/}
if [ -n "$IMAGES" ] && [ -n "$needed" ] && [ "$needed" != "$other" ] && ! cri inspecti "$needed" >/dev/null; then
    sed -i "s#^\( *sandbox\(_image\)\{0,1\} *= *\)[\"'].*#\1\"$other\"#" "$config"
    systemctl restart containerd.service
    needed=$other
fi
command -v crictl >/dev/null || exit 0

if [ "$ROLE" = worker ]; then
    list=$(kubeadm config images list --kubernetes-version "$VERSION" ${IMAGES:+--image-repository "$IMAGES"} 2>/dev/null |
        grep /kube-proxy:)
else
    list=$(kubeadm config images list --config /etc/jeroboam/init.yaml 2>/dev/null | grep -v /pause:)
    # DNS is installed by the first one, and may run elsewhere.
    [ "$ROLE" = first ] && [ -z "$INIT_ARGUMENTS" ] || list=$(echo "$list" | grep -v /coredns:)
fi
for image in $needed $list; do
    cri inspecti "$image" >/dev/null && continue
    systemctl is-active --quiet containerd.service || {
        echo "containerd does not run yet"
        exit 1
    }
    said=$(cri pull "$image") && continue
    # What is between the image and the cause names the image again and again.
    echo "image $image cannot be pulled: $(echo "$said" | tail -n 1 |
        sed 's/.*desc = //; s/.*failed to resolve reference "[^"]*": //; s/failed to do request: //' | cut -c 1-200)"
    exit 1
done
