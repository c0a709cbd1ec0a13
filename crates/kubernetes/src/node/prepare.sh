# prepare.sh [ROOT]: volumes and the pod network, in every boot before the kubelet starts. May run as often as it likes.
set -u
root=${1:-}
. "$root/etc/jeroboam/node.env"
. "$root/opt/jeroboam/talk.sh"

fail() {
    say "$1"
    exit 1
}

# mount_volume DEVICE DIRECTORY: what the image has in the directory moves to a new volume.
mount_volume() {
    mountpoint -q "$2" && return
    [ -b "$1" ] || fail "waiting for the volume of $2, $1"
    found=$(blkid -p -s TYPE -o value "$1")
    case $? in
    0 | 2) ;;
    *) fail "$1 cannot be read" ;;
    esac
    mkdir -p "$2"
    case $found in
    ext4) mount -t ext4 -o noatime "$1" "$2" || fail "$1 cannot be mounted" ;;
    '')
        say "making a file system for $2"
        new=/run/jeroboam-volume
        mkdir -p "$new"
        mkfs.ext4 -q "$1" && mount -t ext4 -o noatime "$1" "$new" || fail "$1 cannot be used"
        # etcd wants an empty directory.
        rmdir "$new/lost+found" 2>/dev/null
        # A half copied volume must not look like a good one.
        if ! cp -a "$2/." "$new/"; then
            umount "$new"
            wipefs -a -q "$1"
            fail "$2 cannot be copied to its volume"
        fi
        umount "$new"
        mount -t ext4 -o noatime "$1" "$2" || fail "$1 cannot be mounted"
        ;;
    *) fail "$1 has a file system of type $found, not ext4" ;;
    esac
}

if [ -n "$CONTAINERD_VOLUME" ] && ! mountpoint -q /var/lib/containerd; then
    systemctl stop containerd.service
    mount_volume "$CONTAINERD_VOLUME" /var/lib/containerd
fi
[ -z "$ETCD_VOLUME" ] || mount_volume "$ETCD_VOLUME" /var/lib/etcd
for volume in $EXTRA_VOLUMES; do
    mount_volume "${volume%%:*}" "${volume#*:}"
done
systemctl start --no-block containerd.service

for module in overlay br_netfilter; do
    modprobe "$module" 2>/dev/null || :
done
echo 1 >"$root/proc/sys/net/ipv4/ip_forward" || fail "packets cannot be forwarded"
echo 1 >"$root/proc/sys/net/bridge/bridge-nf-call-iptables" || say "br_netfilter is missing"

interface=$(ip -o -4 address show to "$NODE_ADDRESS" | awk '{print $2; exit}')
[ -n "$interface" ] || fail "no interface has $NODE_ADDRESS yet"
mtu=$(cat "$root/sys/class/net/$interface/mtu")

chain() {
    iptables -w -t "$1" -N "$2" 2>/dev/null || iptables -w -t "$1" -F "$2" || fail "iptables does not work"
    shift 2
}
rule() {
    table=$1
    shift
    iptables -w -t "$table" -C "$@" 2>/dev/null && return
    where=$1
    shift
    iptables -w -t "$table" -I "$where" "$@" || fail "iptables does not take a rule"
}

# An add-on brings the pod network; pods stay away from the metadata service with any.
if [ "$POD_NETWORK" = add-on ]; then
    rule raw PREROUTING -s "$PODS" -d 169.254.169.254 -j DROP
    say "volumes are ready, and the pod network comes with the cluster"
    exit 0
fi

# Ranges follow from addresses, so every node knows the way to the pods of each address of the subnet.
octets() {
    set -- $(echo "$1" | tr . ' ')
    echo $((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
}
dotted() {
    echo "$(($1 >> 24 & 255)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"
}
subnet=$(octets "${NODES%/*}")
pool=$(octets "${PODS%/*}")
last=$(((1 << (32 - ${NODES#*/})) - 2))
step=$((1 << (32 - POD_PREFIX_LEN)))
offset=1
while [ "$offset" -le "$last" ]; do
    via=$(dotted $((subnet + offset)))
    [ "$via" = "$NODE_ADDRESS" ] ||
        echo "route replace $(dotted $((pool + offset * step)))/$POD_PREFIX_LEN via $via dev $interface onlink"
    offset=$((offset + 1))
done | ip -batch - || fail "the routes to pods cannot be set"

# Pods and nodes see each other's own addresses; everybody else sees the node. Pods stay away from the metadata
# service, which would show them the node's keys.
chain nat JEROBOAM-PODS
iptables -w -t nat -A JEROBOAM-PODS -d "$PODS" -j RETURN
iptables -w -t nat -A JEROBOAM-PODS -d "$NODES" -j RETURN
iptables -w -t nat -A JEROBOAM-PODS -j MASQUERADE
rule nat POSTROUTING -s "$PODS" -j JEROBOAM-PODS
chain filter JEROBOAM-PODS
iptables -w -A JEROBOAM-PODS -d 169.254.169.254 -j DROP
iptables -w -A JEROBOAM-PODS -j ACCEPT
rule filter FORWARD -d "$PODS" -j ACCEPT
rule filter FORWARD -s "$PODS" -j JEROBOAM-PODS

mkdir -p "$root/etc/cni/net.d"
cat >"$root/etc/cni/net.d/10-jeroboam.conflist.new" <<C
{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false, "mtu": $mtu,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_RANGE"}]]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
C
mv "$root/etc/cni/net.d/10-jeroboam.conflist.new" "$root/etc/cni/net.d/10-jeroboam.conflist"
say "volumes and pod network are ready"
