# renew.sh [ROOT]: gives the control plane of this master new certificates before kubeadm's end, and has its programs take
# them. Each master has an hour of the day for it, so that they come one after the other. May run as often as it likes.
set -u
root=${1:-}
. "$root/etc/jeroboam/node.env"
. "$root/opt/jeroboam/talk.sh"
log=$root/var/log/jeroboam-kubeadm.log
config=/etc/jeroboam/init.yaml
# Days that certificates must have left; and those below which a master that does not answer is waited for no more.
before=${RENEW_BEFORE_DAYS:-90}
urgent=7
# What is under way, until every program has taken the new ones.
pending=$root/var/lib/jeroboam/renewing
umask 077

# Days that are left of the certificate that ends first. kubeadm says 364d, 3y, 23h or <invalid>; its second table is of
# the authorities, which are not renewed here.
days_left() {
    kubeadm certs check-expiration --config "$config" 2>>"$log" | awk '
        /^CERTIFICATE AUTHORITY/ { exit }
        {
            for (i = 2; i <= NF; i++) {
                if ($i !~ /^(<invalid>|[0-9]+[smhdy])$/) continue
                days = $i ~ /d$/ ? $i + 0 : $i ~ /y$/ ? 365 * ($i + 0) : 0
                if (least == "" || days < least) least = days
                break
            }
        }
        END { print least }'
}

others_answer() {
    for other in $OTHER_MASTERS; do
        answers "$other" || return
    done
}

# processes NAME: a kernel keeps 15 characters of a name.
processes() {
    short=$(printf '%.15s' "$1")
    for comm in "$root"/proc/[0-9]*/comm; do
        { read -r found <"$comm"; } 2>/dev/null || continue
        [ "$found" != "$short" ] || echo "$comm"
    done
}

# restart NAME: to the kubelet a manifest with another label is another pod.
restart() {
    manifest=$root/etc/kubernetes/manifests/$1.yaml
    [ -e "$manifest" ] && ! grep -q "jeroboam.openstack.org/renewed: \"$stamp\"" "$manifest" || return 0
    old=$(processes "$1")
    # Not in that directory, where the kubelet would take half a file for a manifest.
    new=$root/etc/kubernetes/$1.yaml.new
    sed -e '/^    jeroboam.openstack.org\/renewed: /d' \
        -e "s|^  labels:\$|&\n    jeroboam.openstack.org/renewed: \"$stamp\"|" "$manifest" >"$new" &&
        mv "$new" "$manifest" || return
    tries=60
    until now=$(processes "$1") && [ -n "$now" ] && [ "$now" != "$old" ] && answers "$OWN_API"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return
        sleep 5
    done
}

left=$(days_left)
if [ -z "$left" ]; then
    say "kubeadm does not say when certificates end"
    exit 1
fi
[ "$left" -lt "$before" ] || [ -e "$pending" ] || exit 0
if [ "$left" -ge "$urgent" ] && ! others_answer; then
    say "certificates end in $left days, and are renewed when the other masters answer"
    exit 0
fi
[ -e "$pending" ] || date +%Y%m%d%H%M%S >"$pending"
stamp=$(cat "$pending")
say "certificates end in $left days: renewing them"
if ! { kubeadm certs renew all --config "$config" && trust_all admin controller-manager scheduler; } >>"$log" 2>&1; then
    say "certificates are not renewed: $(tail -n 1 "$log" | cut -c 1-200)"
    exit 1
fi
for program in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    restart "$program" || {
        say "$program did not start again in time with its new certificate"
        exit 1
    }
done
rm -f "$pending"
say "certificates are renewed"
