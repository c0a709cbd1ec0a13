#!/bin/sh
# attach-volume NAME MAJOR MINOR SERIAL: makes a block device appear as a virtio disk of that name would.
rm -f "/dev/$1"
mknod -m 0660 "/dev/$1" b "$2" "$3"
mkdir -p /dev/disk/by-id
ln -sfn "../../$1" "/dev/disk/by-id/virtio-$4"
