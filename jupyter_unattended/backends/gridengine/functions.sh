# How a link talks to Grid Engine. It works without Grid Engine's programs, which many nodes lack.
on_usr1='interrupted=1'                  # -notify: SIGSTOP follows; there is nothing to do
on_usr2='stop_link outside'              # -notify: SIGKILL follows
queue_again=''

# again WHY: exit code 99 queues this job once more; a person who pauses it has put a hold on it.
again() {
  if [[ $way == links && $1 != pause ]] && ! later_links; then
    finish failed 75 "not finished in its $number links"
  elif [[ $way != links || $1 == outside ]]; then
    queue_again=1
  fi
  return 75
}

# Whether Grid Engine itself has decided already: a job that is being deleted is not queued again.
going_away() {
  command -v qstat >/dev/null || return 1
  qstat -u "$USER" 2>/dev/null | awk -v id="$JOB_ID" '$1 == id && $5 ~ /d/ { found = 1 }
    END { exit !found }' || return 1
  finish cancelled 75 "deleted with qdel"
}

# What the site or the queue allows a job that asks for no time itself, where a node can ask.
allowed_seconds() {
  {
    qstat -j "$JOB_ID" | grep '^hard'
    qconf -sq "$QUEUE" | grep '^h_rt'
  } 2>/dev/null | awk '
    match($0, /h_rt[= ]+[0-9:]+/) {
      time = substr($0, RSTART, RLENGTH); sub(/^h_rt[= ]+/, "", time)
      seconds = 0; n = split(time, part, ":"); for (i = 1; i <= n; i++) seconds = seconds * 60 + part[i]
      if (!least || seconds < least) least = seconds }
    END { if (least) print least }'
}

later_links() { [[ $(tail -n 1 "$batch/ids") != "$scheduler_id" ]]; }
other_links() { grep -vxF "$scheduler_id" "$batch/ids"; }
drop_other_links() {
  command -v qdel >/dev/null && other_links | xargs -r qdel >/dev/null 2>&1  # else they see `done`
}
drop_this_link() { :; }

# Grid Engine gives exit codes a meaning of its own: 99 queues the job again, 100 is an error of it.
leave() {
  [[ -n $queue_again ]] && exit 99
  case $1 in 99 | 100) exit 1 ;; *) exit "$1" ;; esac
}
