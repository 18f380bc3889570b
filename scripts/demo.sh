#!/usr/bin/env bash
# Runs an example notebook as a job and shows what came out. `make demo` sets up what this needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command=.venv/bin/jupyter-unattended
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
if [[ ! -t 1 || -n ${NO_COLOR:-} ]]; then say() { printf '\n%s\n' "$*"; }; fi

say '$ jupyter unattended check examples/train-digits.ipynb'
$command check examples/train-digits.ipynb

say '$ jupyter unattended submit examples/train-digits.ipynb --epochs 20 --wait'
echo '(from here on it would finish even if you closed this terminal)'
job=$($command submit examples/train-digits.ipynb --epochs 20 --wait)

say '$ jupyter unattended show train-digits'
$command show "$job"

say '$ jupyter unattended logs --tail 5 train-digits'
$command logs --tail 5 "$job"

say 'The executed notebook'
.venv/bin/python scripts/excerpt.py "$($command show --json "$job" |
  .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["directory"])')" .demo

say 'What next'
cat <<END
  source .venv/bin/activate
  jupyter unattended list
  jupyter unattended logs -f NAME               while a job runs
  jupyter unattended submit --help              your own notebook: all options
  jupyter unattended delete $job
  make lab                                      the same in JupyterLab, with a button
END
