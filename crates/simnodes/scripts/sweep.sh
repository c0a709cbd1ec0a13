# sweep.sh PATTERN: kills everything in the control groups of that name pattern and removes them.
pattern=$1
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    left=
    for hierarchy in $hierarchies; do
        for group in "$hierarchy"/$pattern; do
            [ -d "$group" ] || continue
            if [ -e "$group/cgroup.kill" ]; then
                echo 1 >"$group/cgroup.kill"
            else
                find "$group" -name cgroup.procs -exec cat {} + | xargs -r kill -9 2>/dev/null || true
            fi
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ ! -d "$group" ] || left="$left $group"
        done
    done
    [ -n "$left" ] || exit 0
    sleep 0.3
done
echo "control groups are still busy:$left" >&2
exit 1
