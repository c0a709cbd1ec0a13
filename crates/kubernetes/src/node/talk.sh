# How programs of nodes speak with control planes, and what these are known by. Read by the programs, with $root and the
# node's settings set.

say() {
    echo "jeroboam: $1"
    [ ! -w /dev/console ] || printf 'jeroboam: %s\r\n' "$1" >/dev/console 2>/dev/null || :
}

# ask_api URL ARGUMENT...: asks a control plane of this cluster, whose certificate must be of one of its authorities.
ask_api() {
    url=$1
    shift
    curl -s -f --connect-timeout 2 --max-time "${ANSWER_SECS:-5}" --noproxy '*' \
        --cacert "$root/etc/jeroboam/ca.crt" "$@" "https://$url"
}

# answers ADDRESS: true when a control plane of this cluster serves there.
answers() {
    ask_api "$1/readyz" -o /dev/null
}

# ask_etcd HOST PATH BODY: asks a member of etcd through its JSON gateway.
ask_etcd() {
    pki=$root/etc/kubernetes/pki/etcd
    curl -s -f --connect-timeout 2 --max-time "${ANSWER_SECS:-10}" --noproxy '*' --cacert "$pki/ca.crt" \
        --cert "$pki/healthcheck-client.crt" --key "$pki/healthcheck-client.key" -d "$3" "https://$1:2379/v3/$2"
}

# True while control planes are known by two authorities.
rotates() {
    [ "$(grep -c 'BEGIN CERT' "$root/etc/jeroboam/ca.crt")" -gt 1 ]
}

# trust_all NAME...: kubeadm writes one authority into what programs know the API by; during a rotation there are two.
trust_all() {
    rotates || return 0
    all=$(base64 -w 0 "$root/etc/jeroboam/ca.crt")
    for name in "$@"; do
        sed -i "s|certificate-authority-data: .*|certificate-authority-data: $all|" \
            "$root/etc/kubernetes/$name.conf" || return
    done
}
