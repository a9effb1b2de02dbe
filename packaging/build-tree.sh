#!/bin/bash
# Builds the file tree that the package installs, for the RPM, the DEB and the lab alike.
#
# usage: build-tree.sh DESTDIR
#
# DESTDIR must be missing or empty. The virtual environment is made for the final path /usr/lib/ablestack-api with the
# python3.11 of the system it runs on, so run it on (or in a copy of) the system the package is for; libvirt-python is
# compiled against that system's libvirt.
#
# ABLESTACK_BUILD_CACHE  keeps wheels and the environment of the dependencies between runs (default: nothing is kept)
# ABLESTACK_PAM          debian or redhat (default: what this system is)
set -euo pipefail

readonly PREFIX=/usr/lib/ablestack-api
readonly PYTHON=python3.11
readonly TOOLS=('pip>=24' 'setuptools>=77' 'wheel')

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

fail() {
    echo "build-tree.sh: $1" >&2
    exit 2
}

# A virtual environment in $1 that nothing ties to the place it was made in but the shebangs of its scripts.
new_environment() {
    "$PYTHON" -m venv --without-pip "$1"
    sed -i '/^command = /d' "$1/pyvenv.cfg"
    rm -f "$1"/bin/[Aa]ctivate*
}

# pip and setuptools, newer than the system's, to build and install with: they are no part of the tree.
prepare_tools() {
    tools=$cache/tools-$({ echo "${TOOLS[@]}"; "$PYTHON" -VV; } | sha256sum | cut -c1-12)
    if [[ ! -e $tools/ready ]]; then
        rm -rf "$tools"
        "$PYTHON" -m venv "$tools"
        "$tools/bin/pip" install --quiet --upgrade "${TOOLS[@]}"
        touch "$tools/ready"
    fi
}

# The locked dependencies, compiled where they have to be and installed in an environment, one for each lock file.
prepare_dependencies() {
    local key
    key=$({ cat "$source_dir/requirements.lock"; "$PYTHON" -VV; } | sha256sum | cut -c1-12)
    dependencies=$cache/environment-$key
    [[ -e $dependencies/ready ]] && touch "$dependencies" && return
    rm -rf "$dependencies" "$work/wheels"
    # The hashes are checked here, where the files come from; a wheel compiled here has a hash of its own.
    "$tools/bin/pip" wheel --quiet --require-hashes --no-deps --wheel-dir "$work/wheels" \
        --requirement "$source_dir/requirements.lock"
    mkdir "$dependencies"
    new_environment "$dependencies/venv"
    install_wheels "$dependencies/venv" "$work"/wheels/*.whl
    compile_modules "$dependencies/venv" lib
    touch "$dependencies/ready"
}

# Installs wheel files into the environment $1 and nothing else.
install_wheels() {
    local environment=$1
    shift
    "$tools/bin/pip" --quiet --python "$environment/bin/python3" install --no-index --no-deps --no-compile \
        --no-warn-script-location "$@"
}

# Compiles the folder $2 of the environment $1, as if it stood at $PREFIX already; the compiled form is tied to the
# content of the sources, because package tools and copies change their dates.
compile_modules() {
    "$1/bin/python3" -m compileall -q -j 0 --invalidation-mode checked-hash -s "$1" -p "$PREFIX" "$1/$2"
}

# The environment with the product in it, as it will stand at $PREFIX.
install_environment() {
    local environment=$destination$PREFIX
    install -d "$(dirname "$environment")"
    cp -a "$dependencies/venv" "$environment"
    build_product_wheel
    install_wheels "$environment" "$work"/product/*.whl
    grep -rlI --null '^#!.*/bin/python' "$environment/bin" \
        | xargs -0 --no-run-if-empty sed -i "1s|^#!.*/bin/python.*|#!$PREFIX/bin/python3|"
    compile_modules "$environment" lib/python3.11/site-packages/ablestack_api
}

# The product's wheel, from a copy: building writes next to the sources.
build_product_wheel() {
    local name
    mkdir "$work/source"
    for name in ablestack_api pyproject.toml VERSION README.md LICENSE; do
        [[ -e $source_dir/$name ]] && cp -a "$source_dir/$name" "$work/source/"
    done
    "$tools/bin/pip" wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir "$work/product" \
        "$work/source"
}

install_commands() {
    local name
    install -d "$destination/usr/bin"
    for name in ablestack-api ablestack-auth-token; do
        [[ -x $destination$PREFIX/bin/$name ]] || fail "the product's wheel has no program $name"
        ln -s "$PREFIX/bin/$name" "$destination/usr/bin/$name"
    done
}

install_service() {
    local flavour=${ABLESTACK_PAM:-redhat}
    [[ -z ${ABLESTACK_PAM:-} && -e /etc/debian_version ]] && flavour=debian
    install -D -m 0644 "$source_dir/packaging/ablestack-api.service" \
        "$destination/usr/lib/systemd/system/ablestack-api.service"
    install -D -m 0644 "$source_dir/packaging/pam/$flavour" "$destination/etc/pam.d/ablestack-api"
}

# Everything below configs/ and shell/ but what only developers run, world-readable but for files that hold secrets.
install_configuration() {
    local name path
    for name in ablestack-api.env auth.json properties/cluster.json; do
        [[ -f $source_dir/configs/$name ]] || fail "configs/$name is missing"
    done
    while read -r path; do
        install -D -m 0644 "$source_dir/configs/$path" "$destination/etc/ablestack/$path"
    done < <(cd "$source_dir/configs" && find . -type f -printf '%P\n')
    chmod 0600 "$destination/etc/ablestack/auth.json" "$destination/etc/ablestack/properties/cluster.json"
    [[ -d $source_dir/shell ]] || return 0
    while read -r path; do
        install -D -m 0755 "$source_dir/shell/$path" "$destination/etc/ablestack/shell/$path"
    done < <(cd "$source_dir/shell" && find . -type f -printf '%P\n')
}

install_folders() {
    install -d "$destination"/etc/ablestack/vmconfig/{ccvm,scvm} "$destination"/var/log
    install -d -m 0750 "$destination"/var/log/ablestack{,/archive}
    install -d -m 0700 "$destination/var/lib/ablestack"
}

[[ $# -eq 1 ]] || fail "usage: build-tree.sh DESTDIR"
[[ -f $source_dir/requirements.lock ]] || fail "requirements.lock is missing"
mkdir -p "$1"
destination=$(cd "$1" && pwd)
[[ -z $(ls -A "$destination") ]] || fail "$destination is not empty"
cache=${ABLESTACK_BUILD_CACHE:-$work/cache}
mkdir -p "$cache"

prepare_tools
prepare_dependencies
install_environment
install_commands
install_service
install_configuration
install_folders
find "$cache" -maxdepth 1 -mtime +7 -name 'environment-*' -exec rm -rf {} +
