import { HTMLSelect, ReactWidget, refreshIcon, closeIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import React, { useMemo, useRef, useState } from 'react';

import {
  elapsedWords,
  Empty,
  ErrorNote,
  Loading,
  progressWords,
  ProgressBar,
  StateMark,
  stateWords
} from './components';
import { formatMoment, formatRough } from './format';
import { useSignal, useTick } from './hooks';
import { unattendedIcon } from './icons';
import { filterJobs, isActive } from './states';
import type { IUnattended } from './tokens';
import { CommandIDs } from './tokens';
import type { IJob } from './types';
import { VirtualList } from './virtual';

const ROW_HEIGHT = 62;

/** The left sidebar's list of all jobs. */
export class JobsPanel extends ReactWidget {
  constructor(
    private readonly _shared: IUnattended,
    private readonly _commands: CommandRegistry
  ) {
    super();
    const { trans } = _shared;
    this.id = 'jupyter-unattended-jobs';
    this.addClass('jp-Unattended-panel');
    this.title.icon = unattendedIcon;
    this.title.caption = trans.__('Unattended jobs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Unattended jobs'));
  }

  /** Contents path of the notebook in front, null without one. */
  get notebook(): string | null {
    return this._notebook;
  }
  set notebook(path: string | null) {
    if (path !== this._notebook) {
      this._notebook = path;
      this._notebookChanged.emit();
    }
  }

  get notebookChanged(): ISignal<this, void> {
    return this._notebookChanged;
  }

  /** The jobs that commands without an id are about. */
  get selection(): readonly string[] {
    return this._selection;
  }
  set selection(ids: readonly string[]) {
    this._selection = ids;
    this._selectionChanged.emit();
  }

  get selectionChanged(): ISignal<this, void> {
    return this._selectionChanged;
  }

  protected render(): JSX.Element {
    return <PanelBody shared={this._shared} commands={this._commands} panel={this} />;
  }

  private _notebook: string | null = null;
  private _selection: readonly string[] = [];
  private _notebookChanged = new Signal<this, void>(this);
  private _selectionChanged = new Signal<this, void>(this);
}

function PanelBody(props: {
  shared: IUnattended;
  commands: CommandRegistry;
  panel: JobsPanel;
}): JSX.Element {
  const { shared, commands, panel } = props;
  const { model, trans } = shared;
  useSignal(model.changed);
  useSignal(panel.notebookChanged);
  useSignal(panel.selectionChanged);
  const [states, setStates] = useState('all');
  const [text, setText] = useState('');
  const [onlyThis, setOnlyThis] = useState(false);
  const notebook = onlyThis ? panel.notebook : null;
  const all = model.jobs;
  const shown = useMemo(
    () => filterJobs(all, { states, text, notebook }),
    [all, states, text, notebook]
  );
  useTick(
    1,
    all.some(job => isActive(job.state))
  );

  const filters: readonly [string, string][] = [
    ['all', trans.__('All states')],
    ['unfinished', trans.__('Not ended')],
    ['waiting', trans.__('Waiting')],
    ['running', trans.__('Running')],
    ['paused', trans.__('Paused')],
    ['succeeded', trans.__('Succeeded')],
    ['failed', trans.__('Failed')],
    ['cancelled', trans.__('Cancelled')]
  ];
  const selected = panel.selection.filter(id => model.get(id) !== undefined);

  return (
    <>
      <header className="jp-Unattended-panelHeader">
        <h2>{trans.__('Unattended jobs')}</h2>
        <button
          className="jp-Unattended-iconButton"
          title={trans.__('Refresh')}
          aria-label={trans.__('Refresh')}
          onClick={() => void model.refresh()}
        >
          <refreshIcon.react tag="span" />
        </button>
      </header>
      <div className="jp-Unattended-filters">
        <div className="jp-Unattended-search">
          <input
            type="text"
            className="jp-mod-styled"
            placeholder={trans.__('Filter by name, notebook or reason')}
            aria-label={trans.__('Filter jobs by text')}
            value={text}
            onChange={event => setText(event.target.value)}
          />
          {text !== '' && (
            <button
              className="jp-Unattended-iconButton"
              aria-label={trans.__('Clear the filter')}
              onClick={() => setText('')}
            >
              <closeIcon.react tag="span" />
            </button>
          )}
        </div>
        <div className="jp-Unattended-filterRow">
          <HTMLSelect
            aria-label={trans.__('Filter jobs by state')}
            value={states}
            onChange={event => setStates(event.target.value)}
          >
            {filters.map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
          </HTMLSelect>
          <label
            title={
              panel.notebook === null
                ? trans.__('Open a notebook to see only its jobs')
                : trans.__('Only jobs of %1', panel.notebook)
            }
          >
            <input
              type="checkbox"
              checked={onlyThis && panel.notebook !== null}
              disabled={panel.notebook === null}
              onChange={event => setOnlyThis(event.target.checked)}
            />
            {trans.__('This notebook')}
          </label>
        </div>
      </div>
      {model.error !== null && (
        <ErrorNote
          message={trans.__('The jobs cannot be shown. %1', model.error)}
          retry={() => void model.refresh()}
          trans={trans}
        />
      )}
      {selected.length > 1 && (
        <div className="jp-Unattended-selection" role="toolbar">
          <span>{trans.__('%1 selected', selected.length)}</span>
          <button
            className="jp-mod-styled jp-mod-reject"
            onClick={() => void commands.execute(CommandIDs.compare, { ids: selected })}
          >
            {trans.__('Compare')}
          </button>
          <button
            className="jp-mod-styled jp-mod-reject"
            onClick={() => void commands.execute(CommandIDs.delete, { ids: selected })}
          >
            {trans.__('Delete')}
          </button>
        </div>
      )}
      {shown.length > 0 ? (
        <JobList {...props} jobs={shown} />
      ) : !model.isLoaded && model.error === null ? (
        <Loading what={trans.__('Reading the jobs…')} />
      ) : all.length > 0 ? (
        <Empty>
          <p>{trans.__('No job fits the filter.')}</p>
          <button
            className="jp-mod-styled jp-mod-reject"
            onClick={() => {
              setStates('all');
              setText('');
              setOnlyThis(false);
            }}
          >
            {trans.__('Show all jobs')}
          </button>
        </Empty>
      ) : (
        model.error === null && (
          <Empty>
            <unattendedIcon.react tag="span" width="40px" height="40px" />
            <p>{trans.__('No jobs yet.')}</p>
            <p>
              {trans.__(
                'Open a notebook and press “Run unattended” in its toolbar: it goes on when you close the browser.'
              )}
            </p>
          </Empty>
        )
      )}
      {all.length > 0 && (
        <footer
          className="jp-Unattended-panelFooter"
          aria-live="polite"
          title={trans.__(
            'Ctrl+click or Shift+click marks several jobs, to compare or delete them'
          )}
        >
          {shown.length === all.length
            ? trans._n('%1 job', '%1 jobs', all.length)
            : trans.__('%1 of %2 jobs', shown.length, all.length)}
        </footer>
      )}
    </>
  );
}

function JobList(props: {
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
      focused={moved ? index : undefined}
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
