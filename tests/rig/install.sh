#!/bin/sh
# Makes sure that the tests' real mail server, Git and SSH's keys are there: installs it as root or in CI, else says the one command to run.
set -eu
there() { for name in "$@"; do command -v "$name" >/dev/null || return 1; done; }
if [ -x /usr/sbin/dovecot ] && [ -x /usr/lib/dovecot/imap ] && [ -x /usr/lib/dovecot/pop3 ] && there openssl git ssh-keygen; then exit 0; fi
packages="dovecot-imapd dovecot-pop3d openssl git openssh-client"
if [ "$(id -u)" = 0 ]; then
  sudo=""
elif [ "${CI:-}" = true ]; then
  sudo="sudo"
else
  echo "The tests need a real IMAP server, git and ssh-keygen. Run: sudo apt-get install -y $packages" >&2
  exit 1
fi
echo "installing $packages"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq >/dev/null
$sudo apt-get install -y -qq --no-install-recommends $packages >/dev/null
