#!/bin/sh
# Makes sure that the mail server and the programs to compare with are there: installs them as root, else says how.
set -eu
sh "$(dirname "$0")/../tests/rig/install.sh"
if command -v mbsync && command -v fetchmail && command -v getmail && command -v mpop && command -v cc; then exit 0; fi >/dev/null
packages="isync fetchmail getmail6 mpop gcc libc6-dev"
if [ "$(id -u)" != 0 ]; then
  echo "To compare with, run: sudo apt-get install -y $packages" >&2
  exit 1
fi
echo "installing $packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends $packages >/dev/null
