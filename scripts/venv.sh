#!/usr/bin/env bash
# usage: scripts/venv.sh DIRECTORY
# Makes a virtual environment with the first Python >= 3.10 that can: $PYTHON, then the ones on PATH.
# Debian splits venv off into a package of its own; as root that package is installed.
set -euo pipefail

target=$1
candidates=(${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3)

make_venv() {  # the first candidate that is new enough and has venv and ensurepip
  local python
  for python in "${candidates[@]}"; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue
    rm -rf "$target"
    "$python" -m venv "$target" && return 0
  done
  return 1
}

if [[ ! -x $target/bin/python ]] && ! make_venv; then
  if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "python3-venv is missing: installing it with apt-get" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >&2
    make_venv
  else
    echo "No Python 3.10 or newer with the venv module was found." >&2
    echo "Install one (on Debian and Ubuntu: sudo apt install python3-venv) or name it: make PYTHON=/path/to/python3" >&2
    exit 1
  fi
fi

# Editable installs of a pyproject.toml need pip 21.3; old ones are also slow to resolve.
"$target/bin/python" -c 'import pip, sys; sys.exit(int(pip.__version__.split(".")[0]) < 23)' ||
  "$target/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=23'
