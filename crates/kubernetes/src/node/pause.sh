# pause.sh [ROOT]: where the machine image does not bring along the image of containerd's sandboxes, it comes from where
# the cluster's other images come from.
set -u
root=${1:-}
. "$root/etc/jeroboam/node.env"
config=$root/etc/containerd/config.toml
[ -n "$IMAGES" ] && [ -f "$config" ] || exit 0

# sandbox_image up to containerd 1.7, sandbox since.
name=$(sed -n 's/^ *sandbox\(_image\)\{0,1\} *= *["'\'']\([^"'\'']*\)["'\''] *$/\2/p' "$config" | head -n 1)
[ -n "$name" ] || exit 0
wanted=$IMAGES/${name##*/}
[ "$name" != "$wanted" ] || exit 0
crictl --runtime-endpoint unix:///run/containerd/containerd.sock inspecti -q "$name" >/dev/null 2>&1 && exit 0
sed -i "s#^\( *sandbox\(_image\)\{0,1\} *= *\)[\"'].*#\1\"$wanted\"#" "$config"
systemctl restart containerd.service
echo "sandboxes are made of $wanted"
