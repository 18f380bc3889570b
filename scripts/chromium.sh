#!/usr/bin/env bash
# Sees to it that there is a Chromium (or a Chrome, or the one named in $CHROMIUM) for the browser tests.
set -euo pipefail
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [[ -n $name ]] && command -v "$name" >/dev/null; then exit 0; fi
done
if ((EUID == 0)) && command -v apt-get >/dev/null; then
  echo "Installing chromium ..."
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
  exit 0
fi
echo "The browser tests need Chromium: install it (apt-get install chromium) or set CHROMIUM=/path/to/it." >&2
exit 1
