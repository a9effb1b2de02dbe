#!/usr/bin/env bash
# The real programs that some tests run on this machine (Debian, root). Without them these tests are skipped.
# None of their services is started.
set -eu

packages=(
  fdisk genisoimage iproute2 libvirt-clients libvirt-daemon-driver-qemu libxml2-utils lvm2 mariadb-server openssh-client
  openssh-server parted pciutils qemu-system-x86 qemu-utils xfsprogs
)
policy=/usr/sbin/policy-rc.d

command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || { echo "Not root on Debian: tests that need real programs are skipped."; exit 0; }
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 0755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update --quiet >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${missing[@]}" >/dev/null
