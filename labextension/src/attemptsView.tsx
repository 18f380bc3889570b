import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { Empty, StateMark } from './components';
import { formatDuration, formatMoment, formatRough, formatSize } from './format';
import { stateWord, whyEnded } from './states';
import type { IUnattended } from './tokens';
import type { IAttempt, IAttemptSaving, ICheckpoints, IHistoryEntry, IJob } from './types';

/** What happened: each attempt as a bar on one axis of time, and every change of state. */
export function AttemptsView(props: {
  shared: IUnattended;
  job: IJob;
  attempts: readonly IAttempt[];
  history: readonly IHistoryEntry[];
  checkpoints: ICheckpoints;
  showLog: (attempt: number) => void;
}): JSX.Element {
  const { shared, job, attempts, history, checkpoints, showLog } = props;
  const { trans, model } = shared;
  const now = model.now();
  const started = attempts.map(one => one.started).filter((t): t is number => t !== null);
  const begin = Math.min(...started, job.created);
  const end = Math.max(
    ...attempts.map(one => attemptEnd(one, attempts, job, now) ?? begin),
    begin + 1
  );
  return (
    <div className="jp-Unattended-attempts">
      <h3>{trans.__('Attempts')}</h3>
      {attempts.length === 0 ? (
        <Empty>{trans.__('The job has not been started yet.')}</Empty>
      ) : (
        <ol className="jp-Unattended-timeline">
          {attempts.map((attempt, i) => {
            const next = attempts[i + 1]?.started ?? null;
            const why =
              attempt.started === null ? '' : whyEnded(history, attempt.started, next, trans);
            const from = attempt.started ?? begin;
            const to = attemptEnd(attempt, attempts, job, now);
            const saving = checkpoints.attempts.find(one => one.number === attempt.number);
            return (
              <li key={attempt.number}>
                <div className="jp-Unattended-attemptHead">
                  <strong>{trans.__('Attempt %1', attempt.number)}</strong>
                  <span>
                    {attempt.started === null ? '' : formatMoment(attempt.started)}
                    {to === null ? '' : ` · ${formatDuration(to - from)}`}
                    {attempt.host ? ` · ${attempt.host}` : ''}
                  </span>
                  <button
                    className="jp-Unattended-link"
                    onClick={() => showLog(attempt.number)}
                    aria-label={trans.__('Show the log of attempt %1', attempt.number)}
                  >
                    {trans.__('Log')}
                  </button>
                </div>
                <div className="jp-Unattended-track" aria-hidden>
                  <div
                    className={`jp-Unattended-span ${attemptClass(attempt, attempts, job)}`}
                    style={{
                      left: `${((from - begin) / (end - begin)) * 100}%`,
                      width: `max(3px, ${(((to ?? from) - from) / (end - begin)) * 100}%)`
                    }}
                  />
                </div>
                <div className="jp-Unattended-attemptWhy">
                  {attemptWords(attempt, isCurrent(attempt, attempts, job), why, trans)}
                </div>
                {saving && (
                  <div className="jp-Unattended-attemptWhy">{savingWords(saving, trans)}</div>
                )}
              </li>
            );
          })}
        </ol>
      )}
      {checkpoints.unsaved_seconds !== null && (
        <p>
          {trans.__(
            'If it were stopped now, %1; %2 of work is not saved.',
            checkpoints.next_stop,
            formatRough(checkpoints.unsaved_seconds)
          )}
        </p>
      )}
      <h3>{trans.__('History')}</h3>
      <table className="jp-Unattended-table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Time')}</th>
            <th scope="col">{trans.__('State')}</th>
            <th scope="col" className="jp-mod-wide">
              {trans.__('Reason')}
            </th>
          </tr>
        </thead>
        <tbody>
          {[...history].reverse().map((entry, i) => (
            <tr key={i}>
              <td>{new Date(entry.t * 1000).toLocaleString()}</td>
              <td>
                <span className="jp-Unattended-stateCell">
                  <StateMark state={entry.state} />
                  {stateWord(entry.state, trans)}
                  {entry.attempt ? ` · ${trans.__('attempt %1', entry.attempt)}` : ''}
                </span>
              </td>
              <td className="jp-mod-wide">{entry.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function isCurrent(attempt: IAttempt, attempts: readonly IAttempt[], job: IJob): boolean {
  const last = attempts[attempts.length - 1].number === attempt.number;
  return last && ['starting', 'running', 'pausing', 'unknown'].includes(job.state);
}

function attemptEnd(
  attempt: IAttempt,
  attempts: readonly IAttempt[],
  job: IJob,
  now: number
): number | null {
  if (attempt.ended !== null) {
    return attempt.ended;
  }
  return isCurrent(attempt, attempts, job) ? now : null;
}

function attemptClass(attempt: IAttempt, attempts: readonly IAttempt[], job: IJob): string {
  if (isCurrent(attempt, attempts, job)) {
    return 'jp-mod-running';
  }
  if (attempt.exit_code === 0) {
    return 'jp-mod-succeeded';
  }
  return attempt.exit_code === 75 ? 'jp-mod-stopped' : 'jp-mod-failed';
}

/** How an attempt ended, in words; `why` is what whoever runs it says. */
function attemptWords(
  attempt: IAttempt,
  current: boolean,
  why: string,
  trans: TranslationBundle
): string {
  const reason = why || attempt.reason;
  if (attempt.exit_code === null || attempt.exit_code === undefined) {
    return current
      ? trans.__('Running')
      : reason || trans.__('Killed, or its machine went away: it left no exit code.');
  }
  const code =
    attempt.exit_code === 0
      ? trans.__('Done')
      : attempt.exit_code === 75
        ? trans.__('Stopped from outside before its end (exit code 75)')
        : trans.__('Exit code %1', attempt.exit_code);
  return [code, attempt.signal, reason].filter(Boolean).join(' · ');
}

/** What an attempt went on with, saved and lost, in words. */
function savingWords(saving: IAttemptSaving, trans: TranslationBundle): string {
  const words = [saving.began];
  if (saving.saves > 0) {
    words.push(
      trans._n(
        '%2 saved once, in %3',
        '%2 saved %1 times, in %3',
        saving.saves,
        formatSize(saving.size),
        `${saving.saving_seconds.toFixed(1)} s`
      )
    );
  }
  if (saving.lost_seconds !== null && saving.lost_seconds >= 1) {
    words.push(trans.__('%1 of work lost', formatRough(saving.lost_seconds)));
  }
  return words.filter(Boolean).join(' · ');
}
