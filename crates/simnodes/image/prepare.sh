#!/bin/sh
# Runs first in every boot: what a virtual machine has and a container lacks.

# Control groups are the machine's own, but arrive mounted read-only.
for mount in /sys/fs/cgroup /sys/fs/cgroup/*; do
    mount -o remount,rw,bind "$mount" 2>/dev/null
done

# Sysctls of the whole kernel are read-only here; software that insists on writing them gets private files.
mkdir -p /run/machine/sysctl
while read -r key value; do
    file=/run/machine/sysctl/$(echo "$key" | tr / _)
    echo "$value" >"$file" && mount --bind "$file" "/proc/sys/$key"
done <<S
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
S

# The kernel log stays the host's: this one can be opened and is empty.
[ -e /dev/kmsg ] || mknod /dev/kmsg c 1 3

# Volumes that were attached before the boot.
[ ! -e /etc/machine-volumes ] || /usr/lib/machine/set-volumes </etc/machine-volumes
exit 0
