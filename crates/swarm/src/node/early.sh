# Arguments: the units to start, then pairs of a path below the unit directory and the text of that file; a path
# without a text becomes a link to the unit of its name. Runs in every boot, before Docker may start, so that its
# first start already has the final configuration.
units=$1
shift
cd /etc/systemd/system || exit
while [ $# -gt 0 ]; do
    if [ ! -e "$1" ]; then
        case $1 in
        */*) mkdir -p "${1%/*}" ;;
        esac
        if [ -n "$2" ]; then
            printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"
        else
            ln -s "../${1##*/}" "$1"
        fi
        # New units are found without a reload, which costs a second of the boot; drop-ins of known ones are not.
        case $1 in
        docker.service.d/*) systemctl daemon-reload ;;
        esac
    fi
    shift 2
done
systemctl start --no-block $units
