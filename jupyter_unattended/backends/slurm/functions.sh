# How a link talks to Slurm.
on_usr1='limit_is_near && stop_link time'  # --signal: the time limit is near, or so Slurm says
on_usr2='stop_link request'             # a person wants something
export SLURM_EXPORT_ENV=ALL             # what srun starts gets this script's environment

# Slurm sends its signal up to a minute early, which is too much of a short link.
limit_is_near() {
  local left days=0 hours=0
  interrupted=1
  left=$(timeout 5 squeue -h -j "$SLURM_JOB_ID" -o %L 2>/dev/null)
  [[ $left =~ ^((([0-9]+)-)?([0-9]+):)?([0-9]+):([0-9]+)$ ]] || return 0
  days=${BASH_REMATCH[3]:-0} hours=${BASH_REMATCH[4]:-0}
  left=$((((10#$days * 24 + 10#$hours) * 60 + 10#${BASH_REMATCH[5]}) * 60 + 10#${BASH_REMATCH[6]}))
  ((left <= warning + 2)) && return 0
  printf '%s\n' "$(($(now) + left - warning))" >"$batch/stop-at"
  return 1
}

# again WHY: queue this job once more.
again() {
  local how=requeue said
  if [[ $way == links ]]; then
    if [[ $1 == pause ]] || [[ -n $(other_links PENDING) ]]; then return 75; fi
    finish failed 75 "not finished in its $number links"
    return 75
  fi
  [[ $1 == pause ]] && how=requeuehold
  if said=$(scontrol "$how" "$scheduler_id" 2>&1); then
    wait_for_the_end
  elif [[ $said == *"pending execution"* ]]; then
    return 75  # Slurm has queued it again already
  fi
  finish paused 75 "stopped before its end, and Slurm would not queue it again (${said//$'\n'/ }); resume it"
  return 75
}

# Whether Slurm itself has decided already: it is queueing the job again, or ending it.
going_away() {
  local said
  [[ $(squeue -h -j "$SLURM_JOB_ID" -o %T 2>/dev/null) == RUNNING ]] && return 1
  # It writes why into the job's output, but not where a person cancelled the job.
  said=$(tail -c "+$((log_size + 1))" "$job_dir/scheduler.log" 2>/dev/null |
    grep -F "JOB $SLURM_JOB_ID ON " | tail -n 1)
  if [[ $said == *' CANCELLED AT '* && $said != *' DUE TO '* ]] || [[ $way == links && -z $said ]]; then
    finish cancelled 75 "cancelled with scancel"
  fi
  return 0
}

allowed_seconds() { :; }  # Slurm itself tells when they are over

other_links() {  # [STATE]
  local ids
  ids=$(grep -vxF "$scheduler_id" "$batch/ids" | paste -sd,)
  [[ -n $ids ]] && squeue -h -j "$ids" -t "${1:-all}" -o %i 2>/dev/null
}
drop_other_links() { other_links PENDING | xargs -r scancel --quiet; }
drop_this_link() { scancel --quiet "$scheduler_id" && wait_for_the_end; }
# Slurm was told to end this job and is about to.
wait_for_the_end() { trap - TERM; sleep 60 9>&-; exit 75; }
