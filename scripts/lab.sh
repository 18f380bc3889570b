#!/usr/bin/env bash
# usage: scripts/lab.sh DIRECTORY [OPTIONS OF JUPYTER LAB]   opens JupyterLab on a directory
set -euo pipefail
directory=$1
shift
options=()
# Jupyter refuses root unless told; in a container or a virtual machine, root is who one is.
if ((EUID == 0)); then options+=(--allow-root); fi
# Without a display there is no browser to open; the address is printed.
if [[ -z ${DISPLAY:-}${WAYLAND_DISPLAY:-} && $(uname) == Linux ]]; then options+=(--no-browser); fi
echo 'Open a notebook and press "Run unattended" in its toolbar.' >&2
exec jupyter lab "${options[@]}" "$@" "$directory"
