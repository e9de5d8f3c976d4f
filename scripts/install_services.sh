#!/bin/sh
# Installs the programs that some tests start for themselves, where they are missing. Their packages would also set up
# services of the system on the default ports: those are neither started nor enabled.
set -eu

# Debian's package scripts ask this file before they start a service; 101 means no. One that is there already comes
# back afterwards; where $kept exists at the start, an earlier run was killed, and $policy is only ours.
policy=/usr/sbin/policy-rc.d
kept=$policy.before-make-services

find_missing() {
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || echo postgresql
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || echo rabbitmq-server
    command -v chromium >/dev/null 2>&1 || ls "$HOME"/.cache/ms-playwright/chromium-*/chrome-linux*/chrome \
        >/dev/null 2>&1 || echo chromium
}

forbid_starting_services() {
    [ -e $kept ] || [ ! -e $policy ] || mv $policy $kept
    trap allow_starting_services EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
}

allow_starting_services() {
    rm -f $policy
    [ ! -e $kept ] || mv $kept $policy
}

enabled_services() {
    for unit in postgresql.service rabbitmq-server.service epmd.service epmd.socket; do
        if systemctl --quiet is-enabled "$unit" 2>/dev/null; then echo "$unit"; fi
    done
}

install() {
    enabled_before=$(enabled_services)
    apt-get -qq install -y --no-install-recommends "$@" || return 1
    for unit in $(enabled_services); do
        case "$enabled_before" in
        *"$unit"*) ;;
        *) systemctl disable "$unit" || return 1 ;;
        esac
    done
}

missing=$(find_missing | tr '\n' ' ')
if [ -z "$missing" ]; then
    echo "PostgreSQL, RabbitMQ and Chromium are installed."
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "This needs Debian or Ubuntu, and root. Install by other means: $missing" >&2
    exit 1
fi

echo "Installing with apt-get (a few minutes), without starting any service: $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# Ubuntu's own Chromium is a snap, which doesn't run in containers: there, take the one that Playwright provides.
case "$(cat /etc/os-release) $missing" in
*ID=ubuntu*chromium*)
    make .venv/.development-installed
    .venv/bin/playwright install --with-deps chromium
    missing=${missing% chromium }
    [ "$missing" != "chromium " ] || exit 0
    ;;
esac
forbid_starting_services
log=$(mktemp)
# shellcheck disable=SC2086 # a list of package names
if ! install $missing >"$log" 2>&1; then
    cat "$log" >&2
    echo "Not installed, for the reason above: $missing" >&2
    exit 1
fi
rm "$log"
echo "Installed: $missing"
