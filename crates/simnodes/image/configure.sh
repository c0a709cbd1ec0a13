#!/bin/sh
# configure.sh ROOT: the last part of the image recipe, after debootstrap and the copied files.
set -eu
root=$1

systemctl --root="$root" enable machine-prepare.service demo-image.service systemd-networkd.service 2>/dev/null
systemctl --root="$root" mask \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-timesyncd.service console-getty.service getty@tty1.service \
    systemd-network-generator.service cloud-init-hotplugd.socket 2>/dev/null

# One identity per machine: each boot of a fresh disk makes its own.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf" "$root/etc/hostname"

# The demo container image: a static web server and one page.
web=$root/usr/share/demo/web
mkdir -p "$web/bin" "$web/tmp" "$web/www"
cp "$root/bin/busybox" "$web/bin/busybox"
mv "$root/usr/share/demo/index.html" "$web/www/index.html"
for applet in sh ls cat ps wget hostname sleep nslookup; do ln -s busybox "$web/bin/$applet"; done
tar --create --numeric-owner --owner=0 --group=0 --file="$root/usr/share/demo/web.tar" -C "$web" .
rm -rf "$web"

rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* \
    "$root"/var/log/*.log "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
mkdir -p "$root/var/lib/docker" "$root/var/lib/containerd"
