import type { TranslationBundle } from '@jupyterlab/translation';

import type { IHistoryEntry, IJob, State } from './types';

const FINAL: ReadonlySet<State> = new Set<State>(['succeeded', 'failed', 'cancelled']);
const ACTIVE: ReadonlySet<State> = new Set<State>(['starting', 'running', 'pausing']);

/** Whether no attempt will follow unless a person asks for one. */
export function isFinal(state: State): boolean {
  return FINAL.has(state);
}

/** Whether an attempt exists right now. */
export function isActive(state: State): boolean {
  return ACTIVE.has(state);
}

/** The state as a word for people. */
export function stateWord(state: State, trans: TranslationBundle): string {
  switch (state) {
    case 'queued':
      return trans.__('Queued');
    case 'starting':
      return trans.__('Starting');
    case 'running':
      return trans.__('Running');
    case 'pausing':
      return trans.__('Pausing');
    case 'paused':
      return trans.__('Paused');
    case 'preempted':
      return trans.__('Preempted');
    case 'succeeded':
      return trans.__('Succeeded');
    case 'failed':
      return trans.__('Failed');
    case 'cancelled':
      return trans.__('Cancelled');
    default:
      return trans.__('Unknown');
  }
}

/** The filters of the panel: each a word and the states it stands for. */
export const FILTERS: { readonly [name: string]: ReadonlySet<State> | null } = {
  all: null,
  unfinished: new Set<State>([
    'queued',
    'starting',
    'running',
    'pausing',
    'paused',
    'preempted',
    'unknown'
  ]),
  waiting: new Set<State>(['queued', 'preempted']),
  running: ACTIVE,
  paused: new Set<State>(['paused']),
  succeeded: new Set<State>(['succeeded']),
  failed: new Set<State>(['failed']),
  cancelled: new Set<State>(['cancelled'])
};

export interface IFilter {
  readonly states: string;
  readonly text: string;
  /** Absolute path of a notebook, or null for all. */
  readonly notebook: string | null;
}

/** The jobs that fit all of a filter, in their order. */
export function filterJobs(jobs: readonly IJob[], filter: IFilter): readonly IJob[] {
  const states = FILTERS[filter.states] ?? null;
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (states === null && words.length === 0 && filter.notebook === null) {
    return jobs;
  }
  return jobs.filter(job => {
    if (states !== null && !states.has(job.state)) {
      return false;
    }
    if (filter.notebook !== null && job.notebook_path !== filter.notebook) {
      return false;
    }
    const text = `${job.name}\n${job.id}\n${job.notebook}\n${job.reason}`.toLowerCase();
    return words.every(word => text.includes(word));
  });
}

/** Seconds that a job has been running, over all attempts as far as they are known; else null. */
export function elapsed(job: IJob, now: number): number | null {
  if (job.started === null) {
    return null;
  }
  const end = job.ended ?? (isFinal(job.state) || job.state === 'paused' ? job.since : null) ?? now;
  return Math.max(0, end - job.started);
}

/** Seconds that attempts have existed, without pauses and queues; from the observed history. */
export function ran(history: readonly IHistoryEntry[], now: number): number {
  return history.reduce((sum, entry, i) => {
    const until = history[i + 1]?.t ?? now;
    return isActive(entry.state) ? sum + Math.max(0, until - entry.t) : sum;
  }, 0);
}

/** States whose name says why an attempt ended. */
const TELLING: ReadonlySet<State> = new Set<State>(['paused', 'preempted', 'cancelled']);

/**
 * Why an attempt ended, as whoever runs it says: that memory ran out, that it was preempted. The
 * attempt itself often knows no more than a signal.
 *
 * @param from - When it started.
 * @param until - When the next one started, null if there is none.
 */
export function whyEnded(
  history: readonly IHistoryEntry[],
  from: number,
  until: number | null,
  trans: TranslationBundle
): string {
  const after = history.filter(
    entry => entry.t >= from && (until === null || entry.t <= until) && !isActive(entry.state)
  );
  const told = after.find(entry => entry.reason !== '' || TELLING.has(entry.state));
  return told === undefined ? '' : told.reason || stateWord(told.state, trans);
}

/** Seconds left, from what the notebook said or else from the share that is done; null unknown. */
export function timeLeft(job: IJob, now: number): number | null {
  if (job.state !== 'running') {
    return null;
  }
  const { eta, fraction, done } = job.progress;
  if (eta !== null) {
    return eta;
  }
  // Cells differ too much to tell the time from their number; what a notebook reports does not.
  const ran = elapsed(job, now);
  if (done === null || fraction === null || fraction < 0.05 || ran === null || job.attempt > 1) {
    return null;
  }
  return (ran * (1 - fraction)) / fraction;
}
