import type { CommandRegistry } from '@lumino/commands';
import React, { useRef, useState } from 'react';

import { elapsedWords, progressWords, ProgressBar, StateMark, stateWords } from './components';
import { formatMoment, formatRough } from './format';
import type { JobsPanel } from './panel';
import { isActive } from './states';
import type { IUnattended } from './tokens';
import { CommandIDs } from './tokens';
import type { IJob } from './types';
import { VirtualList } from './virtual';

const ROW_HEIGHT = 62;

/** The rows of the panel: opened by click or Enter, several marked with Ctrl, Shift or Space. */
export function JobList(props: {
  shared: IUnattended;
  commands: CommandRegistry;
  panel: JobsPanel;
  jobs: readonly IJob[];
}): JSX.Element {
  const { shared, commands, panel, jobs } = props;
  const { trans, model } = shared;
  const [active, setActive] = useState<string | null>(null);
  const [moved, setMoved] = useState(0);
  const index = active === null ? -1 : jobs.findIndex(job => job.id === active);
  const anchor = useRef<string | null>(null);
  const now = model.now();

  const open = (job: IJob) => void commands.execute(CommandIDs.open, { id: job.id });
  const go = (next: number, extend: boolean) => {
    const job = jobs[Math.max(0, Math.min(jobs.length - 1, next))];
    setActive(job.id);
    setMoved(count => count + 1);
    panel.selection = extend ? [...new Set([...panel.selection, job.id])] : [job.id];
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const steps: { [key: string]: number } = {
      ArrowDown: index + 1,
      ArrowUp: index < 0 ? 0 : index - 1,
      Home: 0,
      End: jobs.length - 1,
      PageDown: index + 10,
      PageUp: index - 10
    };
    if (event.key in steps) {
      go(steps[event.key], event.shiftKey);
    } else if (event.key === 'Enter' && index >= 0) {
      open(jobs[index]);
    } else if (event.key === ' ' && index >= 0) {
      toggle(jobs[index].id);
    } else if (event.key === 'Delete' && index >= 0) {
      const ids = panel.selection.length ? panel.selection : [jobs[index].id];
      void commands.execute(CommandIDs.delete, { ids: [...ids] });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const toggle = (id: string) => {
    panel.selection = panel.selection.includes(id)
      ? panel.selection.filter(other => other !== id)
      : [...panel.selection, id];
  };
  const onClick = (event: React.MouseEvent, job: IJob) => {
    if (event.metaKey || event.ctrlKey) {
      toggle(job.id);
    } else if (event.shiftKey && anchor.current !== null) {
      const from = jobs.findIndex(other => other.id === anchor.current);
      const to = jobs.indexOf(job);
      panel.selection = jobs
        .slice(Math.min(from, to), Math.max(from, to) + 1)
        .map(other => other.id);
    } else {
      panel.selection = [job.id];
      anchor.current = job.id;
      open(job);
    }
    setActive(job.id);
  };

  return (
    <VirtualList
      className="jp-Unattended-list"
      count={jobs.length}
      rowHeight={ROW_HEIGHT}
      focused={index}
      moves={moved}
      containerProps={{
        role: 'listbox',
        tabIndex: 0,
        'aria-label': trans.__('Jobs'),
        'aria-multiselectable': true,
        'aria-activedescendant': index >= 0 ? rowId(jobs[index]) : undefined,
        onKeyDown,
        onFocus: () => active === null && jobs.length && setActive(jobs[0].id)
      }}
      row={i => {
        const job = jobs[i];
        return (
          <div
            key={job.id}
            id={rowId(job)}
            className={`jp-Unattended-item ${active === job.id ? 'jp-mod-active' : ''} ${
              panel.selection.includes(job.id) ? 'jp-mod-selected' : ''
            }`}
            style={{ height: ROW_HEIGHT }}
            role="option"
            aria-label={label(job, shared, now)}
            aria-selected={panel.selection.includes(job.id)}
            aria-setsize={jobs.length}
            aria-posinset={i + 1}
            data-job-id={job.id}
            title={tooltip(job, shared)}
            onClick={event => onClick(event, job)}
            onContextMenu={() => {
              setActive(job.id);
              if (!panel.selection.includes(job.id)) {
                panel.selection = [job.id];
              }
            }}
          >
            <StateMark state={job.state} />
            <div className="jp-Unattended-itemBody">
              <div className="jp-Unattended-itemTop">
                <span className="jp-Unattended-name">{job.name}</span>
                <span className="jp-Unattended-elapsed">{elapsedWords(job, now)}</span>
              </div>
              {isActive(job.state) ? (
                <ProgressBar job={job} trans={trans} />
              ) : (
                <div className="jp-Unattended-reason">{reason(job)}</div>
              )}
              <div className="jp-Unattended-itemBottom">
                <span className="jp-Unattended-stateWord">{stateWords(job, trans, now)}</span>
                <span>
                  {job.backend} · {formatRough(now - job.created)}
                </span>
              </div>
            </div>
          </div>
        );
      }}
    />
  );
}

function rowId(job: IJob): string {
  return `jp-Unattended-row-${job.id}`;
}

function reason(job: IJob): string {
  return job.reason || fileName(job);
}

function fileName(job: IJob): string {
  return job.notebook.slice(job.notebook.lastIndexOf('/') + 1);
}

function label(job: IJob, { trans }: IUnattended, now: number): string {
  return [job.name, stateWords(job, trans, now), progressWords(job, trans), job.reason]
    .filter(Boolean)
    .join(', ');
}

function tooltip(job: IJob, { trans }: IUnattended): string {
  return [
    `${job.name} (${job.id})`,
    job.notebook,
    trans.__('Submitted: %1', formatMoment(job.created)),
    progressWords(job, trans),
    job.reason
  ]
    .filter(Boolean)
    .join('\n');
}
