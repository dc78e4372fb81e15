#!/bin/sh
# Makes sure that the tests' real mail server is there: installs it as root or in CI, else says the one command to run.
set -eu
if [ -x /usr/sbin/dovecot ] && [ -x /usr/lib/dovecot/imap ] && [ -x /usr/lib/dovecot/pop3 ] && command -v openssl >/dev/null; then exit 0; fi
packages="dovecot-imapd dovecot-pop3d openssl"
if [ "$(id -u)" = 0 ]; then
  sudo=""
elif [ "${CI:-}" = true ]; then
  sudo="sudo"
else
  echo "The tests need a real IMAP server. Run: sudo apt-get install -y $packages" >&2
  exit 1
fi
echo "installing $packages"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq >/dev/null
$sudo apt-get install -y -qq --no-install-recommends $packages >/dev/null
