#!/bin/sh
# The few verbs of crictl that kubeadm uses, through ctr: Debian 12 has no cri-tools.
while [ "${1#-}" != "$1" ]; do
    case $1 in
    -r | --runtime-endpoint | -i | --image-endpoint) shift 2 ;;
    *) shift ;;
    esac
done
ctr="ctr -n k8s.io"
has() {
    $ctr images ls -q "name==$1" | grep -q .
}
case $1 in
info) ctr version >/dev/null ;;
inspecti) has "$2" ;;
pull)
    has "$2" || {
        echo "there is no registry here, and no image $2" >&2
        exit 1
    }
    ;;
pods) $ctr containers ls -q 'labels."io.cri-containerd.kind"==sandbox' ;;
stopp | rmp)
    pod=$($ctr containers info "$2" | sed -n 's/.*"io.kubernetes.pod.uid": "\(.*\)".*/\1/p')
    for container in $($ctr containers ls -q "labels.\"io.kubernetes.pod.uid\"==$pod"); do
        $ctr tasks kill -s KILL "$container" 2>/dev/null
        [ "$1" = stopp ] || { sleep 0.2; $ctr tasks rm -f "$container"; $ctr containers rm "$container"; } 2>/dev/null
    done
    ;;
esac
exit
