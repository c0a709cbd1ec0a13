# Sourced in a private mount namespace: sets $hierarchies, the mount points of all control group hierarchies.
# A container's supervisor wants every controller of /proc/cgroups mounted, also those that the host leaves out.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
    hierarchies=/sys/fs/cgroup
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
else
    for controller in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
        if ! mountpoint -q "/sys/fs/cgroup/$controller"; then
            mkdir -p "/sys/fs/cgroup/$controller"
            mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
        fi
    done
    hierarchies=$(echo /sys/fs/cgroup/*)
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0
fi
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY
