# --- From here on the script is the same for every job: it runs one link of the job, which is one
# --- attempt of start.sh, and decides whether another link should follow. Plain bash and coreutils.

batch=$job_dir/batch
child='' stopping='' interrupted='' killer=''

now() { printf '%(%s)T' -1; }
say() { printf '%(%F %T)T jupyter-unattended: %s\n' -1 "$*" >&2; }
requested() { local word=''; { read -r word <"$batch/request"; } 2>/dev/null; printf '%s' "$word"; }

# finish WORD CODE REASON: no link should follow, and links that are queued already are deleted.
finish() {
  printf '%s %s %s %s\n' "$1" "$2" "$(now)" "$3" >"$batch/done.$$" && mv -f "$batch/done.$$" "$batch/done"
  [[ -n $3 ]] && say "$3"
  drop_other_links
}

# How far the notebook got: different things saved, last cell finished, its own progress(done, total),
# the last step of its metrics.
progress() {
  local file files=()
  for file in "$job_dir"/{journal,metrics}.jsonl; do [[ -r $file ]] && files+=("$file"); done
  awk '
    function number(name) {
      if (!match($0, "\"" name "\": *-?[0-9][0-9.eE+-]*")) return 0
      return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0 }
    /"event": *"cell_started"/ { cell = number("ordinal") }
    /"event": *"checkpoint"/ && match($0, /"saved": *\{/) {
      # The same snapshot, or the same step of a loop, saved by every link anew is no progress.
      what = cell " " substr($0, RSTART)
      if (what ~ /"loop"/) sub(/"total".*/, "", what)
      else if (what ~ /"snapshot"/) what = "snapshot " number("covers")
      else if (what !~ /"step": *null/) sub(/"seconds".*/, "", what)
      if (!(what in known)) { known[what]; saved++ } }
    /"event": *"cell_finished"/ && /"status": *"(ok|skipped)"/ {
      n = number("ordinal"); if (n > finished) finished = n }
    /"event": *"progress"/ { n = number("done"); if (n > done) done = n }
    /"step": *[0-9]/ && !/"event"/ { n = number("step"); if (n > step) step = n }
    END { printf "%d %d %.17g %.17g\n", saved, finished, done, step }' "${files[@]}" </dev/null
}

# The last line that the notebook itself wrote in the newest attempt, before it was told to stop: it
# may keep checkpoints of its own and say so there alone.
last_words() {
  local log
  log=$(ls -t "$job_dir"/attempts/*/log.txt 2>/dev/null | head -n 1)
  [[ -n $log ]] || return 0
  tail -c 65536 "$log" | awk '/^\[unattended\] received SIG/ { exit } /[^ \t\r]/ && !/^\[unattended\]/ { said = $0 }
    END { print said }' | cksum | tr ' ' -
}

# close_link CODE SECONDS: write how link $number ended, and whether the notebook got further in it.
close_link() {
  local before after words said word=stuck
  before=$(awk -v n="$number" '$1 == "start" && $2 == n { print $5, $6, $7, $8 }' "$batch/links")
  after=$(progress)
  words=$(last_words)
  said=$(awk '$1 == "end" { said = $7 } END { print said }' "$batch/links")
  # What is no notebook, but a start.sh of the user's own, is given the benefit of the doubt.
  grep -q '"event": *"started"' "$job_dir/journal.jsonl" 2>/dev/null || word=moved
  [[ -n $said && $said != "$words" ]] && word=moved
  [[ $1 == 75p ]] && word=moved  # a person who pauses a job does not doubt it
  awk -v b="$before" -v a="$after" 'BEGIN { split(b, x); n = split(a, y)
    for (i = 1; i <= n; i++) if (y[i] + 0 > x[i] + 0) exit 0; exit 1 }' && word=moved
  printf 'end %s %s %s %s %s %s\n' "$number" "$(now)" "$2" "$1" "$word" "$words" >>"$batch/links"
}

# A link that was killed with SIGKILL could not write its end: the next one does.
close_killed_link() {
  local last alive_number='' alive_seconds=0
  last=$(tail -n 1 "$batch/links" 2>/dev/null)
  [[ $last == "start "* ]] || return 0
  { read -r alive_number alive_seconds <"$batch/alive"; } 2>/dev/null
  read -r _ number _ <<<"$last"
  [[ $alive_number == "$number" ]] || alive_seconds=0
  close_link killed "$alive_seconds"
}

seconds_used() {
  cat "$batch/links" 2>/dev/null | awk '$1 == "end" { used += $4 } END { print used + 0 }'
}
stuck_links() { grep '^end ' "$batch/links" | tail -n 3 | grep -c ' stuck '; }
stops_from_outside() { grep -c '^end .* 75o ' "$batch/links"; }
seconds_left() {  # of the total; empty where there is none
  { read -r total <"$batch/total"; } 2>/dev/null
  [[ $total =~ ^[0-9]+$ ]] && echo $((total - $(seconds_used)))
}

# A scheduler's own warning that came early left word when it would have been in time.
stop_is_due() {  # NOW
  local due
  { read -r due <"$batch/stop-at"; } 2>/dev/null && (($1 >= due))
}

# Every second: has this link run long enough, does a person want something? Wakes the script. A
# link that the scheduler suspended does not grow older meanwhile.
watch_link() {
  local ran=0 last at step told=''
  last=$(now)
  while sleep 1 && kill -0 "$1" 2>/dev/null; do
    at=$(now) step=$((at - last)) last=$at
    ((step > 5)) && step=1
    ran=$((ran + step))
    ((ran % 10)) || printf '%s %s\n' "$number" "$ran" >"$batch/alive"
    if [[ -z $told ]] && { [[ -n $warn_at && $ran -ge $warn_at ]] || [[ -s $batch/request ]] ||
      stop_is_due "$at"; }; then
      told=1
      kill -ALRM "$1"
    fi
  done
}

# stop_link WHY: SIGTERM to start.sh, and when the grace period is over SIGKILL to what it runs.
stop_link() {
  interrupted=1
  [[ -n $stopping || -z $child ]] && return
  stopping=$1
  kill -TERM "$child" 2>/dev/null
  (
    trap - TERM INT ALRM USR1 USR2
    sleep "$grace"
    pkill -KILL -P "$child"
    sleep 5
    kill -KILL "$child"
  ) >/dev/null 2>&1 9>&- &
  killer=$!
  disown "$killer"
}

# Whatever the queue thinks of two links at once, they do not run at once: the later one waits.
take_turn() {
  command -v flock >/dev/null || return 0
  exec 9>>"$batch/lock" || return 0
  flock -E 33 -w 90 9
  [[ $? != 33 ]]
}

run_link() {
  mkdir -p "$batch" || { say "$batch cannot be written on this node"; return 73; }
  [[ -e $batch/ids ]] || printf '%s\n' "$scheduler_id" >"$batch/ids"  # submitted by hand
  [[ -e $batch/total || -z $total ]] || printf '%s\n' "$total" >"$batch/total"
  if [[ -e $batch/done ]]; then
    say "this job has ended already; there is nothing to do"
    return 0
  fi
  if ! take_turn; then
    say "another link of this job is still running"
    again outside
    return
  fi
  close_killed_link
  number=$(($(grep -c '^start ' "$batch/links" 2>/dev/null) + 1))
  local left began code='' new seconds
  left=$(seconds_left)
  if [[ -n $left && $left -le 0 ]] || [[ $number -gt 1 && $(stuck_links) -ge 3 ]]; then
    decide 75
    return
  fi
  seconds=${link:-$(allowed_seconds)}
  [[ -n $left && ( -z $seconds || $left -lt $seconds ) ]] && seconds=$left
  warn_at=''
  [[ -n $seconds ]] && warn_at=$((seconds > 2 * warning ? seconds - warning : (seconds + 1) / 2))
  case $(requested) in pause | cancel) decide 75; return ;; esac
  began=$(now)
  printf 'start %s %s %s %s\n' "$number" "$began" "$scheduler_id" "$(progress)" >>"$batch/links"
  printf '%s 0\n' "$number" >"$batch/alive"
  rm -f "$batch/stop-at"
  log_size=$(stat -c %s "$job_dir/scheduler.log" 2>/dev/null || echo 0)
  trap 'stop_link outside' TERM INT
  trap "$on_usr1" USR1
  trap "$on_usr2" USR2
  trap '[[ -n $(requested) ]] && stop_link request || stop_link time' ALRM
  # SIGUSR1 and SIGUSR2 are for this script, but some schedulers send them to everything it started.
  (
    trap '' USR1 USR2
    export UNATTENDED_LINK=$number
    exec "$@" >/dev/null 9>&-
  ) &
  child=$!
  watch_link $$ >/dev/null 2>&1 9>&- &
  local watcher=$!
  disown "$watcher"
  while :; do
    interrupted=''
    wait "$child"
    new=$?
    [[ $new == 127 && -n $code ]] || code=$new
    [[ -z $interrupted ]] && break
  done
  # Some schedulers signal every process at once; then start.sh may be gone before we hear of it.
  ((code > 128)) && [[ -z $stopping ]] && sleep 1 9>&-
  ((code > 128)) && [[ -n $stopping ]] && code=75
  trap '' TERM INT ALRM USR1 USR2
  kill -KILL "$watcher" ${killer:+"$killer"} 2>/dev/null
  local ran word=$code
  read -r _ ran <"$batch/alive"
  began=$(($(now) - began))
  ((began - ran < 15)) && ran=$began
  [[ $code == 75 && $stopping == outside ]] && word=75o
  [[ $code == 75 && $stopping == request ]] && word=75p
  close_link "$word" "$ran"
  decide "$code"
}

# decide CODE: what the end of a link means for the job, as start.sh's exit code tells it.
decide() {
  local code=$1 left
  if [[ $code == 0 ]]; then
    finish succeeded 0 "the notebook reached its end in link $number"
    return 0
  elif [[ $code != 75 ]]; then
    finish failed "$code" ""
    return "$code"
  fi
  case $(requested) in
    cancel)
      finish cancelled 75 "cancelled"
      drop_this_link
      return 75 ;;
    pause)
      say "paused"
      again pause
      return ;;
  esac
  left=$(seconds_left)
  if [[ $stopping == outside ]] && going_away; then
    return 75
  elif [[ $stopping == outside && $(stops_from_outside) -gt $max_restarts ]]; then
    finish failed 75 "stopped from outside $(stops_from_outside) times, more often than max-restarts ($max_restarts) allows"
  elif [[ $(stuck_links) -ge 3 ]]; then
    finish failed 75 "no progress over three links: none finished another cell, saved a checkpoint or reported progress() beyond what the links before it had; give a link more time (--link-time), or save more often"
  elif [[ $stopping != outside && -z $left ]]; then
    finish failed 75 "stopped at the time limit; give it a --total-time, and it goes on in another link"
  elif [[ -n $left && $left -le $((warning * number)) ]]; then  # every link ends that much early
    finish failed 75 "not finished in its total time ($(seconds_used) s in $number links)"
  else
    say "link $number stopped before the end; another one follows"
    again "$stopping"
    return
  fi
  return 75
}
