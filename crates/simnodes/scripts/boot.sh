# boot.sh CGROUP MEMORY_BYTES MACHINE_DIR IMAGE [NSPAWN_OPTION...]: becomes the supervisor of one machine.
# Runs in a mount namespace of its own, so that every mount made here ends with the machine.
cgroup=$1 memory=$2 dir=$3 image=$4
shift 4

# A control group of its own in every hierarchy, also the unified one: machines that share the payload's path
# there would share one systemd hierarchy.
for hierarchy in $hierarchies; do
    group=$hierarchy/$cgroup
    mkdir -p "$group"
    if [ -e "$group/cgroup.clone_children" ] && [ -e "$group/cpuset.cpus" ]; then
        cat "$hierarchy/cpuset.cpus" >"$group/cpuset.cpus"
        cat "$hierarchy/cpuset.mems" >"$group/cpuset.mems"
        echo 1 >"$group/cgroup.clone_children"
    fi
    for limit in memory.limit_in_bytes memory.max; do
        if [ -e "$group/$limit" ]; then echo "$memory" >"$group/$limit"; fi
    done
    echo $$ >"$group/cgroup.procs"
done

# Container images that the machine image brings along. Data directories cannot lie on an overlay; contents are never
# written again, so links do for them, and the databases are copied.
if [ -d "$image/var/lib/containerd/io.containerd.content.v1.content" ] && [ -z "$(ls -A "$dir/containerd")" ]; then
    cp -al "$image/var/lib/containerd/." "$dir/containerd/" 2>/dev/null || cp -a "$image/var/lib/containerd/." "$dir/containerd/"
    find "$dir/containerd" -name '*.db' | while read -r database; do
        cp -a "$database" "$database.new" && mv "$database.new" "$database"
    done
fi

mount -t overlay overlay -o "lowerdir=$image,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
# The supervisor refuses to clean up its own directories unless they are on a memory file system.
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd

# API_VFS_WRITABLE=yes would have networkd wait for a udev that never runs.
export SYSTEMD_NSPAWN_USE_CGNS=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_LOCK=0
# Docker wants keyrings and BPF. Syncing to disk must stay: with --suppress-sync containerd cannot open its files.
exec systemd-nspawn --quiet --boot --keep-unit --register=no --directory="$dir/root" \
    --capability=all --private-users=no --system-call-filter="add_key keyctl bpf" \
    --bind="$dir/docker:/var/lib/docker" --bind="$dir/containerd:/var/lib/containerd" \
    --resolv-conf=off --timezone=off --link-journal=no --console=read-only "$@"
