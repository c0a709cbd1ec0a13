# address.sh [ROOT]: this master's turn at the address that the API has for everybody. Who has the key of etcd that is
# named here has the address, for as long as it says so. The kernel takes the address away from a machine whose programs
# hang, before etcd lets another one have the key.
set -u
root=${1:-}
. "$root/etc/jeroboam/node.env"
. "$root/opt/jeroboam/talk.sh"

# Seconds that etcd keeps the key of a master which says nothing.
LEASE_SECS=15
# Seconds that the kernel keeps the address without being told again. With the seconds that an answer may take, which
# was on its way all the while, they are fewer than etcd's.
KERNEL_SECS=10
ANSWER_SECS=3
# Turns without an answer of the API here after which another master is let have the address.
MOST_MISSED=3

# Asks etcd who the other masters are now.
learn_peers() {
    members=$(ask_etcd "$NODE_ADDRESS" cluster/member/list '{}') || return
    peers=$(printf '%s' "$members" | tr '[],' '\n\n\n' | sed -n 's|^"https://\(.*\):2379"$|\1|p' | grep -vFx "$NODE_ADDRESS")
}

# True when this master's node takes no more pods, which is how it begins to leave the cluster, and another master serves.
leaves() {
    ask_api "$OWN_API/api/v1/nodes/$HOST_NAME" --cert "$root/var/lib/kubelet/pki/kubelet-client-current.pem" |
        grep -q '"unschedulable": *true' || return
    learn_peers
    for peer in $peers; do
        ! answers "$peer:${OWN_API##*:}" || return 0
    done
    return 1
}

# The first master has the address while it starts the cluster: etcd is not there yet, nor is anybody else.
starts_cluster() {
    [ "$ROLE" = first ] && [ ! -e "$root/var/lib/jeroboam/member" ] || return
    for other in $OTHER_MASTERS; do
        ! answers "$other" || return
    done
}

# Each master has a lease of its own, whose number its address makes.
lease=$(echo "$NODE_ADDRESS" | awk -F. '{ printf "%d%03d%03d%03d", $1, $2, $3, $4 }')
key=$(printf 'jeroboam/api-address' | base64)
value=$(printf '%s' "$NODE_ADDRESS" | base64)

# Prints the lease of who has the address, and nothing when nobody has it.
holder() {
    answer=$(ask_etcd "$NODE_ADDRESS" kv/range "{\"key\":\"$key\"}") || return
    printf '%s' "$answer" | sed -n 's/.*"lease":"\([0-9]*\)".*/\1/p'
}

# Gets the key, unless another one was faster.
take() {
    # That it is there already is no error: it has not run out yet.
    ask_etcd "$NODE_ADDRESS" lease/grant "{\"TTL\":\"$LEASE_SECS\",\"ID\":\"$lease\"}" >/dev/null
    absent="{\"target\":\"CREATE\",\"result\":\"EQUAL\",\"key\":\"$key\",\"create_revision\":\"0\"}"
    put="{\"request_put\":{\"key\":\"$key\",\"value\":\"$value\",\"lease\":\"$lease\"}}"
    ask_etcd "$NODE_ADDRESS" kv/txn "{\"compare\":[$absent],\"success\":[$put]}" | grep -q '"succeeded":true'
}

# An answer without a TTL is about a lease that has run out.
keep() {
    ask_etcd "$NODE_ADDRESS" lease/keepalive "{\"ID\":\"$lease\"}" | grep -q '"TTL"'
}

hold() {
    ip address replace "$API_ADDRESS/32" dev "$interface" valid_lft "$KERNEL_SECS" preferred_lft "$KERNEL_SECS"
}

drop() {
    ip address delete "$API_ADDRESS/32" dev "$interface" 2>/dev/null || :
}

# Lets another master have it at once. Where etcd does not answer here, others tell it.
release() {
    drop
    for member in "$NODE_ADDRESS" $peers; do
        ! ask_etcd "$member" lease/revoke "{\"ID\":\"$lease\"}" >/dev/null || return 0
    done
}

# resolve TARGET ARGUMENT...: asks the network anew where an address is, by a question to it. With `--interface` that tells
# everybody on it who has the address which asks.
resolve() {
    ip neighbour delete "$1" dev "$interface" 2>/dev/null
    target=$1
    shift
    curl -s -o /dev/null --connect-timeout 1 --max-time 1 --noproxy '*' "$@" "http://$target:9/"
}

announce() {
    router=$(ip -4 route show default dev "$interface" | awk '{ print $3; exit }')
    set -- ${router:-$peers}
    [ $# -eq 0 ] || resolve "$1" --interface "$API_ADDRESS"
}

turn() {
    if ! held=$(holder); then
        missed=$((missed + 1))
        if starts_cluster; then
            hold
        elif [ "$missed" -eq "$MOST_MISSED" ]; then
            release
        fi
        return
    fi
    if [ "$held" = "$lease" ]; then
        keep && hold
        if answers "$OWN_API"; then missed=0; else missed=$((missed + 1)); fi
        if [ "$missed" -ge "$MOST_MISSED" ]; then
            say "the API does not answer here: another master gets the address"
            release
        elif leaves; then
            say "this master leaves: another one gets the address"
            release
        fi
    elif [ -n "$held" ]; then
        drop
        # In some networks the address is known to have moved when its new machine answers somebody's question.
        [ "$held" = "$known" ] || resolve "$API_ADDRESS"
    elif answers "$OWN_API"; then
        missed=0
        ! leaves && take && keep && hold && {
            say "this master has $API_ADDRESS"
            announce
            announce
            learn_peers
        }
    elif starts_cluster; then
        hold
    fi
    known=$held
}

interface=$(ip -o -4 address show to "$NODE_ADDRESS" | awk '{ print $2; exit }')
[ -n "$interface" ] || exit 1
trap 'release; exit 0' TERM INT
missed=0
known=
peers=
for other in $OTHER_MASTERS; do
    peers="$peers ${other%:*}"
done
while :; do
    turn
    sleep 1
done
