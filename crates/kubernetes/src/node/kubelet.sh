# kubelet.sh [ROOT]: runs whenever the kubelet has ended, and tells on the console why one does not start that kubeadm has
# configured already. Once or twice may happen to any.
set -u
root=${1:-}
times=$root/run/jeroboam-kubelet
if [ "${SERVICE_RESULT:-success}" = success ] || [ ! -e "$root/var/lib/kubelet/kubeadm-flags.env" ]; then
    rm -f "$times"
    exit 0
fi
echo >>"$times"
[ $(($(wc -l <"$times") % 3)) -eq 0 ] || exit 0

# Errors of klog begin with E or F and the date; what comes after a fatal one are stacks.
cause=$(journalctl -o cat "_SYSTEMD_INVOCATION_ID=${INVOCATION_ID:-}" _COMM=kubelet 2>/dev/null |
    sed -n 's/^[EF][0-9]\{4\} .*\] //p; s/^Error: //p' | tail -n 1 | cut -c 1-200)
cause="jeroboam: the kubelet does not start: ${cause:-it ends with ${EXIT_STATUS:-an error}}"
echo "$cause"
[ ! -w /dev/console ] || printf '%s\r\n' "$cause" >/dev/console 2>/dev/null || :
