# What the scripts share: installing what is missing, where that is allowed. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# The newest Rust this workspace needs, as Cargo.toml says it.
rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

say() { printf '%s\n' "$*" >&2; }

# need PROGRAM_OR_FILE PACKAGE ...: installs every package whose program or file is missing.
need() {
    local missing=()
    while [ $# -gt 0 ]; do
        case $1 in
        # A pattern of files: /usr/lib/postgresql/*/bin/postgres
        /*) compgen -G "$1" > /dev/null || missing+=("$2") ;;
        *) command -v "$1" > /dev/null || missing+=("$2") ;;
        esac
        shift 2
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        say "Missing: ${missing[*]} (names of Debian packages). Install them and run this again; as root on Debian it is done for you."
        exit 1
    fi
    say "installing ${missing[*]}"
    install_quietly "${missing[@]}"
}

# Packages that bring a server would start it; a policy file keeps the system's own from running.
install_quietly() {
    local policy=/usr/sbin/policy-rc.d ours=""
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy && ours=yes
    fi
    local log
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } > "$log" 2>&1; then
        [ -z "$ours" ] || rm -f $policy
        tail -n 20 "$log" >&2
        say "Installing $* failed; the lines above say why. Install them by hand and run this again."
        exit 1
    fi
    rm -f "$log"
    [ -z "$ours" ] || rm -f $policy
}

need_rust() {
    need cc gcc /usr/include/stdlib.h libc6-dev
    if ! command -v cargo > /dev/null; then
        say "Missing: Rust $rust_version or newer. Install it with rustup, and run this again."
        exit 1
    fi
    local have
    have=$(rustc --version | cut -d' ' -f2)
    if [ "$(printf '%s\n%s\n' "$rust_version" "$have" | sort -V | head -n1)" != "$rust_version" ]; then
        say "Rust $have is too old: $rust_version or newer is needed. Run: rustup update"
        exit 1
    fi
}

need_delivery() { need git git buildah buildah docker-registry docker-registry /bin/busybox busybox-static curl curl; }

# Its `kubectl kustomize` says what edited files are read as.
need_kustomize() { need kubectl kubernetes-client; }

need_servers() {
    need openssl openssl "/usr/lib/rabbitmq/bin/rabbitmq-server" rabbitmq-server '/usr/lib/postgresql/*/bin/postgres' postgresql
}

# What the console's pages are looked at with. It draws no text without a font.
need_browser() { need chromium chromium /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core; }

# What tests/package.json names, in target/node.
need_node() {
    need node nodejs npm npm
    local folder=target/node
    mkdir -p $folder
    if ! cmp -s tests/package-lock.json $folder/package-lock.json || [ ! -d $folder/node_modules ]; then
        cp tests/package.json tests/package-lock.json $folder/
        if ! npm --prefix $folder ci --ignore-scripts --no-audit --no-fund > $folder/log 2>&1; then
            tail -n 20 $folder/log >&2
            rm -f $folder/package-lock.json
            say "npm could not install what tests/package.json names; the lines above say why."
            exit 1
        fi
    fi
}
