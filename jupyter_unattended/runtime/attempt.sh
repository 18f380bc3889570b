# What start.sh does around the notebook; start.sh sources this file. Bash 4.2 or newer.
#
# In order: begin_attempt, source_hook, install_requirements, run_notebook (or run_user_script).
# The shell's exit, whatever the reason for it, ends the attempt in finish_attempt.

stop_signal=      # the first signal that asked us to stop, as SIGTERM
reason=           # why the attempt failed, where it is us who know
child=            # process id of what `run` waits for
interrupted=      # set by a signal's trap, so that `run` knows why its wait returned

# Seconds since the epoch, into $now.
read_clock() {
  if [[ -n ${EPOCHREALTIME:-} ]]; then now=${EPOCHREALTIME/,/.}; else printf -v now '%(%s)T' -1; fi
}

# "$1" as a JSON string, into $json.
to_json() {
  json=${1//\\/\\\\}
  json=${json//\"/\\\"}
  json=${json//$'\n'/\\n}
  json=${json//$'\t'/\\t}
  json=${json//[[:cntrl:]]/ }
  json="\"$json\""
}

say() { printf '[unattended] %s\n' "$*"; }

fail() {  # CODE SENTENCE
  reason=$2
  say "$reason"
  exit "$1"
}

# -- the attempt -----------------------------------------------------------------------------------

begin_attempt() {
  local existing number=1
  trap 'on_signal TERM' TERM HUP
  trap 'on_signal INT' INT
  read_clock
  started=$now
  cannot_begin="start.sh: cannot write in $job_directory (read-only, or no space left on the device)"
  mkdir -p -- "$job_directory/attempts" || { echo "$cannot_begin" >&2; exit 73; }
  for existing in "$job_directory"/attempts/*/; do
    existing=${existing%/}
    existing=${existing##*/}
    [[ $existing =~ ^[1-9][0-9]*$ ]] && ((existing >= number)) && number=$((existing + 1))
  done
  until mkdir -- "$job_directory/attempts/$number" 2>/dev/null; do
    [[ -d $job_directory/attempts/$number ]] || { echo "$cannot_begin" >&2; exit 73; }
    number=$((number + 1)) # another start.sh took it
  done
  attempt=$number
  attempt_directory=$job_directory/attempts/$number
  log=$attempt_directory/log.txt
  # Room for the exit code while there is room: a disk that fills up later cannot take it away.
  { printf '%63s\n' '' >"$attempt_directory/exit" && : >"$log"; } 2>/dev/null ||
    { echo "$cannot_begin" >&2; exit 73; }
  trap finish_attempt EXIT

  export UNATTENDED_JOB_DIR=$job_directory UNATTENDED_JOB_ID=${job_directory##*/}
  export UNATTENDED_ATTEMPT=$attempt UNATTENDED_ATTEMPT_DIR=$attempt_directory
  export UNATTENDED_CHECKPOINT_DIR=$job_directory/checkpoints
  export UNATTENDED_GRACE_PERIOD=${UNATTENDED_GRACE_PERIOD:-30}
  export UNATTENDED_PARENT=$$ PYTHONUNBUFFERED=${PYTHONUNBUFFERED-1}
  modules=$job_directory/runtime/jupyter_unattended.zip
  export PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}$modules
  # Modules as they were at submit come before those of the workspace.
  if [[ -d $job_directory/files ]]; then PYTHONPATH=$job_directory/files:$PYTHONPATH; fi

  describe_process
  write_record
  # Straight to the file, with no pipe in between: what was written is there, whoever is killed.
  if { : >&1; } 2>/dev/null && [[ ! /proc/self/fd/1 -ef /dev/null ]]; then
    exec 3>&1 >>"$log" 2>&1
    coproc COPIER { copy_log; }
    copier=$COPIER_PID
    eval "exec 4>&${COPIER[1]} ${COPIER[1]}>&- ${COPIER[0]}<&-"
  else
    exec >>"$log" 2>&1
  fi
  exec </dev/null
  leave_if_done
  give_up_if_hopeless
  limit_restarts
  limit_time
}

# A scheduler may kill us when the notebook has reached its end and we have not told yet. It starts us
# again then; a person who starts us again has a reason.
leave_if_done() {
  local verdict=
  [[ -n ${UNATTENDED_MAX_RESTARTS:-}${UNATTENDED_LINK:-} ]] && ((attempt > 1)) || return 0
  read -r verdict _ 2>/dev/null <"$job_directory/attempts/$((attempt - 1))/exit" || :
  if [[ $verdict == 0 ]]; then
    say "attempt $((attempt - 1)) reached the end of the notebook; there is nothing left to do"
    exit 0
  fi
}

# Where the scheduler starts again what cannot do better: a backend that saw why has noted it.
give_up_if_hopeless() {
  local file
  for file in "$job_directory"/attempts/*/hopeless; do
    if [[ -s $file ]]; then fail 1 "$(<"$file")"; fi
  done
}

# Where the scheduler does not count restarts itself. Attempts that a person paused do not count.
limit_restarts() {
  local directory stops=0
  [[ -n ${UNATTENDED_MAX_RESTARTS:-} ]] || return 0
  for directory in "$job_directory"/attempts/*/; do
    [[ $directory != "$attempt_directory/" && ! -e ${directory}paused ]] || continue
    stops=$((stops + 1))
  done
  ((stops <= UNATTENDED_MAX_RESTARTS)) ||
    fail 1 "stopped from outside more often than max-restarts ($UNATTENDED_MAX_RESTARTS) allows"
}

# Where the scheduler does not count a time limit itself: it counts all attempts together. Standard
# input of what watches the clock is a pipe that only start.sh holds, so it ends when start.sh does.
limit_time() {
  local record words begun ended used=0
  [[ -n ${UNATTENDED_TIME_LIMIT:-} ]] || return 0
  for record in "$job_directory"/attempts/*/attempt.json; do
    [[ $record != "$attempt_directory/"* ]] || continue
    words=
    read -r words <"$record" || :
    [[ $words =~ \"started\":\ ([0-9]+) ]] || continue
    begun=${BASH_REMATCH[1]}
    if [[ $words =~ \"ended\":\ ([0-9]+) ]]; then
      ended=${BASH_REMATCH[1]}
    else
      ended=$(stat -c %Y -- "${record%/*}/log.txt") || continue # killed: its last sign of life
    fi
    used=$((used + ended - begun))
  done
  allowed=$((${UNATTENDED_TIME_LIMIT%.*} - used))
  ((allowed > 0)) || fail 1 "over its time limit of $UNATTENDED_TIME_LIMIT s, all attempts together"
  trap 'if [[ -n $child ]]; then kill -s KILL "$child" 2>/dev/null; fi' ALRM
  exec 6> >(
    trap '' TERM INT HUP
    exec 3>&- 4>&-
    read -r -t "$allowed" || (($? > 128)) || exit 0
    : >"$attempt_directory/over-time"
    kill -s TERM $$
    read -r -t "$UNATTENDED_GRACE_PERIOD" || (($? > 128)) || exit 0
    kill -s ALRM $$
  )
}

# Copy the log to where start.sh's output went at first: a console, a pod's or a scheduler's log.
# Standard input is a pipe whose other end only start.sh holds, so this ends when start.sh does,
# also by SIGKILL, and never before everything in the log was copied.
copy_log() {
  trap '' TERM INT HUP USR1 USR2
  exec 4>&- 5<"$log"
  while cat <&5 >&3 2>/dev/null; do
    read -r -t 1 || (($? > 128)) || break
  done
  cat <&5 >&3 2>/dev/null
}

describe_process() {
  local stat fields boot_id=
  host=${HOSTNAME:-$(uname -n)}
  process="\"pid\": $$"
  if read -r stat 2>/dev/null </proc/$$/stat; then
    fields=(${stat##*) })
    process+=", \"pid_start\": ${fields[19]}"
  fi
  read -r boot_id 2>/dev/null </proc/sys/kernel/random/boot_id || :
  process+=", \"boot_id\": \"$boot_id\""
  if [[ -n ${UNATTENDED_LAUNCH:-} ]]; then # process ids in a container are others than outside
    to_json "$UNATTENDED_LAUNCH"
    process+=", \"launch\": $json"
  fi
}

write_record() {  # [MORE FIELDS]
  local record=$attempt_directory/attempt.json
  to_json "$host"
  {
    printf '{"attempt": %d, "host": %s, %s, "started": %s%s}\n' \
      "$attempt" "$json" "$process" "$started" "${1:-}" >"$record.tmp" &&
      mv -f -- "$record.tmp" "$record"
  } 2>/dev/null || rm -f -- "$record.tmp"
}

finish_attempt() {
  local code=$? more waited=0
  trap '' TERM INT HUP
  if [[ -n $stop_signal ]] && ((code > 128)); then code=75; fi
  if ((code == 0 || code == 75)); then reason=; fi
  if [[ -e $attempt_directory/over-time ]] && ((code != 0)); then
    code=1 reason="stopped because it was over its time limit of $UNATTENDED_TIME_LIMIT s"
  fi
  read_clock
  # In place, into the room made at the beginning.
  printf '%-63s\n' "$code $now" 1<>"$attempt_directory/exit" || :
  more=", \"ended\": $now, \"exit_code\": $code"
  if [[ -n $stop_signal ]]; then more+=", \"signal\": \"$stop_signal\""; fi
  if [[ -n $reason ]]; then to_json "$reason"; more+=", \"reason\": $json"; fi
  if (($$ == 1)); then note_memory; fi
  write_record "$more"
  if [[ -n ${copier:-} ]]; then
    exec 4>&-
    while kill -0 "$copier" 2>/dev/null && ((waited++ < ${UNATTENDED_GRACE_PERIOD%.*} * 20)); do
      sleep 0.05
    done
  fi
  exit "$code"
}

# The most memory that was in use, and how often the kernel killed for it, where we are all that runs
# in our container.
note_memory() {
  local file peak name value
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    while read -r name value; do
      if [[ $name == oom_kill && $value =~ ^[1-9][0-9]*$ ]]; then more+=", \"oom_kills\": $value"; fi
    done 2>/dev/null <"$file" || :
  done
  for file in /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes; do
    if read -r peak 2>/dev/null <"$file" && [[ $peak =~ ^[0-9]+$ ]]; then
      more+=", \"memory_peak\": $peak"
      return 0 # a bare return in a trap gives the status from before it
    fi
  done
}

# -- signals ---------------------------------------------------------------------------------------

on_signal() {
  : "${stop_signal:=SIG$1}"
  interrupted=1
  if [[ -n $child ]]; then kill -s "${forward_as:-$1}" "$child" 2>/dev/null || :; fi
}

stop_if_asked() {
  if [[ -n $stop_signal ]]; then
    say "stopped by $stop_signal before the notebook began"
    exit 75
  fi
}

# Start "$@", forward signals to it, wait until it is gone; its exit code comes in $code.
run() {
  stop_if_asked
  "$@" 3>&- 4>&- 6>&- &
  child=$!
  if [[ -n $stop_signal ]]; then kill -s TERM "$child" 2>/dev/null || :; fi
  while :; do
    interrupted=
    code=0
    # Bash's own words about a child that a signal ended are not for the log: fail says it better.
    { wait "$child" || code=$?; } 2>/dev/null
    # A signal makes wait return while the child still runs: only a wait that no signal cut short
    # tells the child's own exit code.
    [[ -n $interrupted ]] || break
  done
  child=
}

# -- the steps -------------------------------------------------------------------------------------

enter_directory() {
  reason="the working directory $1 is not here"
  cd -- "$1"
  reason=
}

source_hook() {
  if [[ -f ./startup-hook.sh ]]; then
    stop_if_asked
    reason='startup-hook.sh failed'
    # shellcheck disable=SC1091
    source ./startup-hook.sh 3>&- 4>&- 6>&-
    reason=
  fi
}

require_python() {
  if ! command -v -- "$python" >/dev/null; then
    fail 127 "the interpreter $python is not here; set UNATTENDED_PYTHON to the one to use"
  fi
}

install_requirements() {
  local before requirements=$job_directory/requirements.txt
  [[ -s $requirements ]] || return 0
  require_python
  read_clock
  before=$now
  forward_as=TERM # bash starts children with SIGINT ignored
  run "$python" "$job_directory/runtime/requirements_met.py" "$requirements"
  if ((code == 0)); then
    note_requirements "$before" false
    return 0
  fi
  stop_if_asked
  if "$python" -c 'import pip' 2>/dev/null; then
    run "$python" -m pip install --disable-pip-version-check --no-input -r "$requirements"
  elif command -v uv >/dev/null; then
    run uv pip install --python "$python" -r "$requirements"
  else
    fail 1 "requirements.txt is not satisfied and $python has no pip to install it with"
  fi
  stop_if_asked
  ((code == 0)) || fail 1 "requirements.txt could not be installed (exit code $code)"
  note_requirements "$before" true
}

note_requirements() {  # SECONDS-BEFORE INSTALLED
  local seconds journal=$job_directory/journal.jsonl torn=
  read_clock
  if [[ $now == *.* ]]; then
    seconds=$((10#${now/./} - 10#${1/./}))
    printf -v seconds '%d.%06d' $((seconds / 1000000)) $((seconds % 1000000))
  else
    seconds=$((now - $1))
  fi
  if ((attempt > 1)) && [[ -n $(tail -c 1 -- "$journal" 2>/dev/null) ]]; then torn=$'\n'; fi
  printf '%s{"t": %s, "attempt": %d, "event": "requirements", "seconds": %s, "installed": %s}\n' \
    "$torn" "$now" "$attempt" "$seconds" "$2" >>"$journal" || :
}

run_notebook() {
  local verdict=
  require_python
  forward_as=
  run "$python" "$modules" "$@"
  # The runtime leaves its own word on how the notebook ended, because an exit code alone does not
  # tell: os._exit(0) in a cell, or in a handler of SIGTERM, is not the notebook's end.
  read -r verdict _ 2>/dev/null <"$attempt_directory/exit" || :
  if [[ $verdict =~ ^[0-9]+$ ]]; then
    exit "$verdict"
  fi
  if [[ -n $stop_signal ]] || ((code == 75 || code == 130 || code == 143)); then
    exit 75
  fi
  if ((code == 0)); then
    fail 1 'the process ended with exit code 0 before the notebook reached its end'
  elif ((code > 128)); then
    # A scheduler that takes such a code for its own kill, and tries again, asks for another one.
    fail "${UNATTENDED_PROCESS_KILLED:-$code}" "the process was killed by SIG$(kill -l $((code - 128)) 2>/dev/null || :)"
  fi
  fail "$code" "the process ended with exit code $code before the notebook reached its end"
}

run_user_script() {
  forward_as=TERM
  export UNATTENDED_USER_SCRIPT=1 # if it runs our runtime, that writes into this attempt
  unset UNATTENDED_PARENT          # ... but we are not its parent then
  run bash "$job_directory/user-start.sh" "$@"
  if [[ -n $stop_signal ]]; then exit 75; fi
  ((code == 0)) || fail "$code" "user-start.sh failed (exit code $code)"
  exit 0
}
