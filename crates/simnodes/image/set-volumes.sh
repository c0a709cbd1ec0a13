#!/bin/sh
# set-volumes <LIST: exactly these block devices appear, as virtio disks would. A line: NAME MAJOR MINOR SERIAL.
list=/etc/machine-volumes
new=$(cat)
if [ -e "$list" ]; then
    while read -r name major minor serial; do
        [ -z "$name" ] || rm -f "/dev/$name" "/dev/disk/by-id/virtio-$serial"
    done <"$list"
fi
printf '%s\n' "$new" >"$list"
mkdir -p /dev/disk/by-id
while read -r name major minor serial; do
    [ -n "$name" ] || continue
    mknod -m 0660 "/dev/$name" b "$major" "$minor"
    ln -sfn "../../$name" "/dev/disk/by-id/virtio-$serial"
done <"$list"
