# relay.sh [ROOT]: makes the calls to this cluster's API that the service has no way for. It asks the service for the
# next one, makes it to the API on this machine, and brings the answer.
set -u
root=${1:-}
. "$root/etc/jeroboam/node.env"
. "$root/opt/jeroboam/talk.sh"
calls=$(cat "$root/etc/jeroboam/calls.url")
pki=$root/etc/kubernetes/pki
# In memory: calls may hold secrets.
own=$root/run/jeroboam-relay
umask 077
mkdir -p "$own"

# ask METHOD URL ARGUMENT...: asks as this control plane, and prints the status.
ask() {
    method=$1 address=$2
    shift 2
    curl -s -g -X "$method" -w '%{http_code}' --connect-timeout 5 --noproxy '*' \
        --cert "$pki/apiserver-kubelet-client.crt" --key "$pki/apiserver-kubelet-client.key" "$@" "$address"
}

# ask_service METHOD URL ARGUMENT...: the service answers after some seconds when it has no call.
ask_service() {
    ask "$@" --max-time 30 --cacert "$root/etc/jeroboam/bootstrap.crt"
}

# make_call METHOD PATH MEDIA: leaves the answer in a file, an empty one without an answer.
make_call() {
    verb=$1 path=$2 media=$3
    : >"$own/answer"
    set --
    [ -z "$media" ] || set -- -H "Content-Type: $media" --data-binary "@$own/body"
    ask "$verb" "https://$OWN_API/$path" "$@" --max-time 8 --cacert "$root/etc/jeroboam/ca.crt" -o "$own/answer"
}

told=
while :; do
    # Another master's API may be well when this one is not.
    answers "$OWN_API" || {
        sleep 2
        continue
    }
    status=$(ask_service POST "$calls" -o "$own/call")
    case $status in
    200) ;;
    204) continue ;;
    *)
        [ "$status" = "$told" ] || say "no calls from the service at ${calls%%/v1/*}: status $status"
        told=$status
        sleep 5
        continue
        ;;
    esac
    told=
    read -r id verb path media <"$own/call"
    tail -n +2 "$own/call" >"$own/body"
    status=$(make_call "$verb" "$path" "$media")
    # Nobody waits for it any more when this fails.
    ask_service PUT "$calls/$id?status=$status" --data-binary "@$own/answer" -o /dev/null >/dev/null
done
