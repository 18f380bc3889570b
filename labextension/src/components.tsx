import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { formatDuration, formatNumber } from './format';
import { elapsed, isActive, ran, stateWord, timeLeft } from './states';
import type { IHistoryEntry, IJob, State } from './types';

/** The state's mark: shape and colour, so that it is not told by colour alone. */
export function StateMark(props: { state: State }): JSX.Element {
  return (
    <svg className={`jp-Unattended-mark jp-mod-${props.state}`} viewBox="0 0 16 16" aria-hidden>
      {shape(props.state)}
    </svg>
  );
}

function shape(state: State): JSX.Element {
  const ring = <circle cx="8" cy="8" r="6" className="jp-Unattended-ring" />;
  switch (state) {
    case 'succeeded':
      return (
        <>
          <circle cx="8" cy="8" r="7" className="jp-Unattended-disc" />
          <path d="M4.6 8.3l2.3 2.3 4.5-4.9" className="jp-Unattended-stroke" />
        </>
      );
    case 'failed':
      return (
        <>
          <circle cx="8" cy="8" r="7" className="jp-Unattended-disc" />
          <path d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" className="jp-Unattended-stroke" />
        </>
      );
    case 'cancelled':
      return (
        <>
          {ring}
          <path d="M3.9 12.1l8.2-8.2" className="jp-Unattended-line" />
        </>
      );
    case 'paused':
    case 'pausing':
      return (
        <>
          {ring}
          <path d="M6.3 5.4v5.2M9.7 5.4v5.2" className="jp-Unattended-line" />
        </>
      );
    case 'running':
    case 'starting':
      return (
        <>
          {ring}
          <path d="M8 2a6 6 0 0 1 6 6" className="jp-Unattended-turning" />
        </>
      );
    case 'unknown':
      return (
        <>
          {ring}
          <path
            d="M6.2 6.5c0-2.4 3.6-2.4 3.6-.1 0 1.4-1.8 1.3-1.8 2.7M8 11v.4"
            className="jp-Unattended-line"
          />
        </>
      );
    default:
      return (
        <>
          {ring}
          <path d="M8 4.8V8l2.2 1.4" className="jp-Unattended-line" />
        </>
      );
  }
}

/** How far a job is, as a bar with a name for screen readers. */
export function ProgressBar(props: { job: IJob; trans: TranslationBundle }): JSX.Element {
  const { job, trans } = props;
  const { fraction } = job.progress;
  const known = fraction !== null;
  return (
    <div
      className={`jp-Unattended-progress jp-mod-${job.state}`}
      role="progressbar"
      aria-label={trans.__('Progress of %1', job.name)}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(known ? { 'aria-valuenow': Math.round(fraction * 100) } : {})}
      aria-valuetext={progressWords(job, trans)}
    >
      <div
        className={known || !isActive(job.state) ? '' : 'jp-mod-indeterminate'}
        style={{ width: known ? `${fraction * 100}%` : undefined }}
      />
    </div>
  );
}

/** How far a job is, in words: `3 of 10 cells` or what the notebook reports. */
export function progressWords(job: IJob, trans: TranslationBundle): string {
  const { done, total, cells_done, cells_total, fraction } = job.progress;
  if (done !== null && total) {
    return `${formatNumber(done)} / ${formatNumber(total)} (${Math.round((fraction ?? 0) * 100)} %)`;
  }
  if (cells_done !== null && cells_total !== null) {
    return trans.__('%1 of %2 cells', cells_done, cells_total);
  }
  return '';
}

/** State, place in the queue, time left: the line under a job's name. */
export function stateWords(job: IJob, trans: TranslationBundle, now: number): string {
  const parts = [stateWord(job.state, trans)];
  if (job.state === 'queued' && job.position !== null) {
    parts[0] =
      job.position === 0
        ? trans.__('Queued, next')
        : trans.__('Queued, %1 before it', job.position);
  }
  const left = timeLeft(job, now);
  if (left !== null) {
    parts.push(trans.__('%1 left', formatDuration(left)));
  }
  if (job.attempt > 1) {
    parts.push(trans.__('attempt %1', job.attempt));
  }
  return parts.join(' · ');
}

/** Time since the start, over all attempts and what was between them. */
export function elapsedWords(job: IJob, now: number): string {
  const seconds = elapsed(job, now);
  return seconds === null ? '' : formatDuration(seconds);
}

/** The same, and how much of it the job ran, where it was paused or stopped in between. */
export function ranWords(
  job: IJob,
  history: readonly IHistoryEntry[],
  now: number,
  trans: TranslationBundle
): string {
  const words = elapsedWords(job, now);
  return words === '' || job.attempt < 2 || history.length === 0
    ? words
    : trans.__('%1, of which it ran %2', words, formatDuration(ran(history, now)));
}

/** Something went wrong, in words, with a way on. */
export function ErrorNote(props: {
  message: string;
  retry?: () => void;
  trans: TranslationBundle;
}): JSX.Element {
  return (
    <div className="jp-Unattended-error" role="alert">
      <span>{props.message}</span>
      {props.retry && (
        <button className="jp-mod-styled jp-mod-reject" onClick={props.retry}>
          {props.trans.__('Try again')}
        </button>
      )}
    </div>
  );
}

/** Nothing to show, and why. */
export function Empty(props: { children: React.ReactNode }): JSX.Element {
  return <div className="jp-Unattended-empty">{props.children}</div>;
}

/** Work is going on. */
export function Loading(props: { what: string }): JSX.Element {
  return (
    <div className="jp-Unattended-loading" role="status">
      <span className="jp-Unattended-spinner" aria-hidden />
      {props.what}
    </div>
  );
}
