# What programs of nodes say to others. It is read by them, with $root and the node's settings set.

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
