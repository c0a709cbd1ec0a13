# join.sh [ROOT]: makes this machine a node of its cluster: it starts the cluster, or joins it. It never gives up, and
# the console tells what it waits for.
set -u
root=${1:-}
. "$root/etc/jeroboam/node.env"
. "$root/opt/jeroboam/talk.sh"
log=$root/var/log/jeroboam-kubeadm.log
umask 077

# wait_for ADDRESS SECONDS
wait_for() {
    tries=$2
    until answers "$1" || [ "$tries" -le 0 ]; do
        tries=$((tries - 1))
        sleep 1
    done
}

# True when another master serves: then this cluster lives, and must not be started a second time.
cluster_lives() {
    for other in $OTHER_MASTERS; do
        answers "$other" && return 0
    done
    return 1
}

# A machine that takes the place of an earlier one has its address but not its data: etcd must forget the old member
# before it lets the new one in.
forget_old_self() {
    kubeadm init phase certs etcd-healthcheck-client --kubernetes-version "$VERSION" || return
    for other in $OTHER_MASTERS; do
        members=$(ask_etcd "${other%:*}" cluster/member/list '{}') || continue
        old=$(printf '%s' "$members" | tr '{' '\n' | grep -F "\"https://$NODE_ADDRESS:2380\"" |
            sed -n 's/.*"ID":"\([0-9]*\)".*/\1/p')
        [ -z "$old" ] || ask_etcd "${other%:*}" cluster/member/remove "{\"ID\":\"$old\"}"
        return
    done
}

# others_differ: true when another master serves another version than this one's.
others_differ() {
    for other in $OTHER_MASTERS; do
        runs=$(ask_api "$other/version" | sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p')
        case $runs in
        '' | "$VERSION" | "$VERSION"[-+]*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}

# kubeadm joins by the cluster's own description of itself, and wants the names there in the API's certificate. So a
# master writes there first what is so today: other masters have come and gone since. One of another version than the
# rest is the first of an upgrade, and writes what the kubeadm of its version wants to read.
describe_cluster() {
    kubeadm init phase kubeconfig admin --config /etc/jeroboam/init.yaml || return
    # Since 1.29 that alone has no rights in a cluster of before.
    kubeadm init phase kubeconfig super-admin --config /etc/jeroboam/init.yaml 2>/dev/null || :
    trust_all admin || return
    [ ! -e "$root/etc/kubernetes/super-admin.conf" ] || trust_all super-admin || return
    kubeadm init phase upload-config kubeadm --config /etc/jeroboam/init.yaml || return
    if others_differ; then
        # It has done its work when it begins to wait for the object of this node, which is not there yet.
        timeout 20 kubeadm init phase upload-config kubelet --config /etc/jeroboam/init.yaml || :
    fi
    # kubeadm would not join beside one that has more authorities than it writes.
    rm -f "$root/etc/kubernetes/admin.conf" "$root/etc/kubernetes/super-admin.conf"
}

# before_join: what a master needs besides what kubeadm does.
before_join() {
    forget_old_self
    kubeadm init phase certs apiserver --config /etc/jeroboam/init.yaml || return
    describe_cluster
}

# What kubeadm has installed in the cluster follows when its last master is of the new version.
update_addons() {
    ! others_differ || return 0
    for other in $OTHER_MASTERS; do
        pki=$root/etc/kubernetes/pki
        proxy=$(ask_api "$other/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy" \
            --cert "$pki/apiserver-kubelet-client.crt" --key "$pki/apiserver-kubelet-client.key" |
            sed -n 's/.*"image": *"\([^"]*\)".*/\1/p' | head -n 1)
        [ -n "$proxy" ] || continue
        [ "${proxy##*:}" != "$VERSION" ] || return 0
        say "kube-proxy and DNS become those of $VERSION"
        kubeadm init phase addon kube-proxy --config /etc/jeroboam/init.yaml || return
        [ -n "$INIT_ARGUMENTS" ] || kubeadm init phase addon coredns --config /etc/jeroboam/init.yaml
        return
    done
}

# During a rotation what a master knows the API by is written before the rest of the joining.
join_cluster() {
    skipped=
    if [ "$ROLE" != worker ] && rotates; then
        kubeadm join phase control-plane-prepare kubeconfig --config /etc/jeroboam/join.yaml || return
        trust_all admin controller-manager scheduler || return
        skipped=--skip-phases=control-plane-prepare/kubeconfig
    fi
    timeout "$KUBEADM_SECS" kubeadm join --config /etc/jeroboam/join.yaml --ignore-preflight-errors=ImagePull $skipped
}

# take_identity: what signed for this kubelet may have been a master that signs with the last authorities.
take_identity() {
    [ -e "$root/etc/jeroboam/kubelet.kubeconfig" ] || return 0
    mv "$root/etc/jeroboam/kubelet.kubeconfig" "$root/etc/kubernetes/kubelet.conf"
    rm -f "$root"/var/lib/kubelet/pki/kubelet-client-*
    systemctl restart kubelet.service
}

# refusals: how often this machine's kubelet has refused a pod of the control plane.
refusals() {
    journalctl -q -o cat -u kubelet.service 2>/dev/null |
        grep -cE "Failed to admit pod.*(etcd|kube-[a-z-]+)-$HOST_NAME"
}

# admit_pods COUNT: a kubelet may refuse a static pod in its first second, when it does not know yet what the machine has,
# and never tries again (kubernetes/kubernetes#99305 and #138391): one that has refused more than COUNT is started anew.
admit_pods() {
    known=$1
    while sleep 10; do
        refused=$(refusals)
        [ "$refused" -gt "$known" ] || continue
        known=$refused
        say "the kubelet has refused a pod of the control plane, and is started again"
        systemctl restart kubelet.service
    done
}

attempt() {
    guard=
    [ "$ROLE" = worker ] || {
        # Counted before anything is begun: what is refused from now on is new.
        refused=$(refusals)
        admit_pods "$refused" &
        guard=$!
    }
    become_node
    became=$?
    [ -z "$guard" ] || kill "$guard"
    return "$became"
}

# How long kubeadm may take, which has all images and waits for no other node: some of its own waits have no end.
KUBEADM_SECS=600

become_node() {
    if [ -d "$root/etc/jeroboam/pki" ]; then
        mkdir -p "$root/etc/kubernetes/pki"
        cp -a "$root/etc/jeroboam/pki/." "$root/etc/jeroboam/ca.crt" "$root/etc/kubernetes/pki/"
    fi
    if [ "$ROLE" = first ] && ! cluster_lives; then
        say "starting the cluster"
        timeout "$KUBEADM_SECS" kubeadm init --config /etc/jeroboam/init.yaml --ignore-preflight-errors=ImagePull \
            $INIT_ARGUMENTS
    else
        { [ -z "$OTHER_MASTERS" ] || before_join; } && join_cluster
    fi >>"$log" 2>&1
}

# Where keys are not in the user-data, they are fetched.
if [ -e "$root/etc/jeroboam/bootstrap.token" ]; then
    told=
    until cause=$(/bin/sh "$root/opt/jeroboam/fetch.sh" "$root"); do
        [ "$cause" = "$told" ] || say "no keys yet: $cause"
        told=$cause
        sleep 2
    done
    say "this node has its keys"
fi

for program in kubeadm kubelet; do
    command -v "$program" >/dev/null || {
        say "$program is missing: this image is not made for Kubernetes"
        sleep 60
        exit 1
    }
done
present=$(kubeadm version -o short)
[ "$present" = "$VERSION" ] || say "the image has kubeadm $present, and $VERSION is asked for"

told=
until cause=$(/bin/sh "$root/opt/jeroboam/images.sh" "$root"); do
    [ "$cause" = "$told" ] || say "$cause"
    told=$cause
    sleep 5
done
mkdir -p "$root/var/lib/jeroboam"
# etcd takes one new member at a time.
[ -z "$PREVIOUS_MASTER" ] || {
    say "waiting for the master before this one"
    wait_for "$PREVIOUS_MASTER" 600
}
[ "$ROLE" = first ] || say "joining the cluster as soon as it answers"
told=
until attempt; do
    cause=$(grep -v '^\[\|^To see the stack\|^$' "$log" | tail -n 1 | cut -c 1-200)
    [ "$cause" = "$told" ] || say "not a node yet: $cause"
    told=$cause
    kubeadm reset -f >>"$log" 2>&1
    sleep 2
done
take_identity
touch "$root/var/lib/jeroboam/member"
say "$HOST_NAME is a node of the cluster"
tries=30
until [ -z "$OTHER_MASTERS" ] || update_addons >>"$log" 2>&1 || [ "$tries" -le 0 ]; do
    tries=$((tries - 1))
    sleep 10
done
