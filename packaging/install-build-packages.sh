#!/usr/bin/env bash
# What libvirt-python is compiled with, Python 3.11 itself, and the load generator of `make bench`.
# As root the packages are installed; otherwise the missing ones are named and this ends with 1.
set -eu

if command -v apt-get >/dev/null; then
  packages=(libvirt-dev pkg-config gcc python3-dev python3-venv openssl wrk)
  missing=()
  for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  install=(env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends)
  refresh=(apt-get update --quiet)
elif command -v dnf >/dev/null; then
  packages=(libvirt-devel pkgconf-pkg-config gcc openssl python3.11 python3.11-devel)
  missing=()
  for package in "${packages[@]}"; do
    rpm --query --quiet "$package" || missing+=("$package")
  done
  install=(dnf install --assumeyes --enablerepo=crb)
  refresh=(true)
else
  echo "Neither apt-get nor dnf is here: install libvirt's headers, pkg-config, a C compiler and Python 3.11 with its headers." >&2
  exit 0
fi

[ "${#missing[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "Missing packages: ${missing[*]}. Install them as root, then run this again." >&2
  exit 1
fi
"${refresh[@]}" >/dev/null
"${install[@]}" "${missing[@]}" >/dev/null
