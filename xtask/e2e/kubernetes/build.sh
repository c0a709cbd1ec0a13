#!/bin/bash
# build.sh DIR: Kubernetes 1.20.2, etcd, and what nodes need besides, made from Debian's packages alone.
#
# Debian 12 ships Kubernetes as source only: its package is the whole tree with all that it is made of. Seven minutes on
# two cores, 4 GB. Nothing is installed on this machine. DIR/bin and DIR/packages stay, the rest is removed.
set -euo pipefail
dir=$1
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$dir/work
mkdir -p "$dir/bin" "$dir/packages" "$work"/{lists/partial,cache/archives/partial,state,parts,debs,go/src/k8s.io}

# An APT of its own, so that neither this machine's sources nor its list of packages matter.
key=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$({
    sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
    sed -n 's/^deb \(\[[^]]*\] *\)\?\(http[^ ]*\) .*/\2/p' /etc/apt/sources.list
} 2>/dev/null | head -1 || true)
[ -n "$mirror" ] || {
    echo "build.sh: no Debian mirror in APT's sources" >&2
    exit 1
}
printf '%s\n' "deb-src [$key] $mirror bookworm main" "deb [$key] $mirror bookworm main" \
    "deb [$key] $mirror trixie main" >"$work/sources.list"
: >"$work/status"
cat >"$work/apt.conf" <<C
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "$work/parts";
Dir::State "$work/state";
Dir::State::Lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
C
export APT_CONFIG=$work/apt.conf
apt-get -qq update
cd "$work/debs"
apt-get -qq download golang-1.19-go/bookworm golang-1.19-src/bookworm golang-github-modern-go-reflect2-dev/bookworm \
    etcd-server/trixie etcd-client/trixie busybox-static/bookworm conntrack/bookworm libnetfilter-conntrack3/bookworm \
    libnfnetlink0/bookworm containernetworking-plugins/bookworm iptables/bookworm libxtables12/bookworm \
    libip4tc2/bookworm libip6tc2/bookworm libmnl0/bookworm libnftnl11/bookworm
apt-get -qq source --download-only kubernetes/bookworm
unset APT_CONFIG
for deb in golang-1.19-*.deb; do dpkg -x "$deb" "$work/tools"; done
for deb in etcd-*.deb; do dpkg -x "$deb" "$work/etcd"; done
cp "$work"/etcd/usr/bin/{etcd,etcdctl} "$dir/bin/"
for deb in busybox-static_*.deb conntrack_*.deb lib*.deb containernetworking-plugins_*.deb iptables_*.deb; do
    dpkg -x "$deb" "$dir/packages"
done

# The vendored reflect2 1.0.1 crashes when built by Go 1.18 and later; Debian has 1.0.2.
tree=$work/go/src/k8s.io/kubernetes
rm -rf "$tree"
dpkg-source --no-check -x kubernetes_*.dsc "$tree" >/dev/null
dpkg -x golang-github-modern-go-reflect2-dev_*.deb "$work/reflect2"
vendored=$tree/vendor/github.com/modern-go/reflect2
rm -rf "$vendored"
cp -r "$work/reflect2/usr/share/gocode/src/github.com/modern-go/reflect2" "$vendored"
rm -f "$vendored"/*_test.go

export GOROOT=$work/tools/usr/lib/go-1.19 GOPATH=$work/go GO111MODULE=off GOFLAGS= GOPROXY=off CGO_ENABLED=0
export GOCACHE=${GOCACHE:-$work/cache-go} PATH=$work/tools/usr/lib/go-1.19/bin:$PATH
cd "$tree"
# The one generated file that the source package leaves out: definitions of every type marked for them.
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
marked=$(
    {
        grep -rl --include='*.go' '^// *+k8s:openapi-gen=' pkg cmd plugin
        for vendored in vendor/k8s.io/*/; do
            find -L "$vendored" -name '*.go' -type f -print0 | xargs -0 grep -l '^// *+k8s:openapi-gen=' || true
        done
    } | grep -vE 'vendor/k8s.io/(code-generator|sample-apiserver|kube-openapi|gengo)/|/_' |
        xargs -n1 dirname | LC_ALL=C sort -u | sed 's|^|k8s.io/kubernetes/|' | paste -sd,
)
"$work/openapi-gen" --logtostderr -i "$marked" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$work/violations" 2>/dev/null

flags=
for package in k8s.io/kubernetes/vendor/k8s.io/component-base/version k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version; do
    flags="$flags -X $package.gitVersion=v1.20.2 -X $package.gitMajor=1 -X $package.gitMinor=20"
    flags="$flags -X $package.gitTreeState=archive -X $package.buildDate=2021-01-13T13:20:00Z"
done
go build -trimpath -ldflags "-s -w -buildid= $flags" -o "$dir/bin/" ./cmd/kube-apiserver ./cmd/kube-controller-manager \
    ./cmd/kube-scheduler ./cmd/kubectl ./cmd/kubelet ./cmd/kubeadm ./cmd/kube-proxy
gcc -Os -static -s -DVERSION=3.2 -o "$dir/bin/pause" build/pause/linux/pause.c
rm -rf "$work"
"$dir/bin/kubelet" --version
