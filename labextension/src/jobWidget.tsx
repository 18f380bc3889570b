import { ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import React, { useEffect, useState } from 'react';

import { AttemptsView } from './attemptsView';
import {
  ErrorNote,
  Loading,
  progressWords,
  ProgressBar,
  ranWords,
  StateMark,
  stateWords
} from './components';
import { DetailsView } from './detailsView';
import { FilesView } from './filesView';
import { useSignal, useTick } from './hooks';
import { unattendedIcon } from './icons';
import { LogView } from './logView';
import { MetricsView } from './metricsView';
import type { INotebookTools } from './notebookView';
import { OutputView } from './outputView';
import { isActive, isFinal } from './states';
import type { IUnattended } from './tokens';
import { CommandIDs } from './tokens';
import type { IJob, IJobDetails } from './types';

const VIEWS = ['log', 'notebook', 'metrics', 'attempts', 'files', 'details'] as const;
export type View = (typeof VIEWS)[number];

/** A job's own tab: log, executed notebook, metrics, attempts, files, what was asked for. */
export class JobWidget extends ReactWidget {
  constructor(
    readonly jobId: string,
    private readonly _shared: IUnattended,
    private readonly _commands: CommandRegistry,
    private readonly _tools: INotebookTools,
    private readonly _open: (path: string) => void,
    private _view: View = 'log'
  ) {
    super();
    this.id = `jupyter-unattended-job-${jobId}`;
    this.addClass('jp-Unattended-job');
    this.title.icon = unattendedIcon;
    this.title.closable = true;
    this._rename();
    _shared.model.changed.connect(this._rename, this);
  }

  /** Which part is in front. */
  get view(): View {
    return this._view;
  }
  set view(view: View) {
    if (view !== this._view) {
      this._view = view;
      this._viewChanged.emit();
    }
  }

  /** `view`, or whether the tab is in front, changed. */
  get viewChanged(): ISignal<this, void> {
    return this._viewChanged;
  }

  dispose(): void {
    this._shared.model.changed.disconnect(this._rename, this);
    super.dispose();
  }

  protected render(): JSX.Element {
    return (
      <JobBody
        widget={this}
        shared={this._shared}
        commands={this._commands}
        tools={this._tools}
        open={this._open}
      />
    );
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    // MainAreaWidget has given it a name that says nothing.
    this._rename();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._viewChanged.emit();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._viewChanged.emit();
  }

  private _rename(): void {
    const name = this._shared.model.get(this.jobId)?.name ?? this.jobId;
    this.title.label = name;
    this.title.caption = this._shared.trans.__('Unattended job %1 (%2)', name, this.jobId);
    this.node.setAttribute('aria-label', this.title.caption);
  }

  private _viewChanged = new Signal<this, void>(this);
}

interface IBodyProps {
  widget: JobWidget;
  shared: IUnattended;
  commands: CommandRegistry;
  tools: INotebookTools;
  open: (path: string) => void;
}

function JobBody(props: IBodyProps): JSX.Element {
  const { widget, shared } = props;
  const { model, api, trans } = shared;
  useSignal(model.changed);
  useSignal(widget.viewChanged);
  const [details, setDetails] = useState<IJobDetails | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [tries, setTries] = useState(0);
  const job = model.get(widget.jobId) ?? details?.job;
  const gone = model.isComplete && model.get(widget.jobId) === undefined && details !== null;

  // What is saved, and what a stop would lose, changes without a change of state.
  const active = job !== undefined && isActive(job.state);
  const beat =
    active && widget.isVisible && widget.view === 'attempts' ? Math.floor(model.now() / 5) : 0;

  // What a change of state brings: attempts, history, what can be done now.
  useEffect(() => {
    let current = true;
    api.job(widget.jobId).then(
      found => {
        if (current) {
          setDetails(found);
          setError(null);
        }
      },
      problem => current && setError(problem.message)
    );
    return () => {
      current = false;
    };
  }, [api, widget.jobId, job?.state, job?.attempt, job?.reason, tries, beat]);
  useTick(1, active && widget.isVisible);

  if (job === undefined) {
    return error !== null ? (
      <ErrorNote message={error} retry={() => setTries(tries + 1)} trans={trans} />
    ) : (
      <Loading what={trans.__('Reading the job…')} />
    );
  }
  return (
    <>
      <Header {...props} job={job} details={details} />
      {gone && <ErrorNote message={trans.__('This job has been deleted.')} trans={trans} />}
      {error !== null && !gone && (
        <ErrorNote message={error} retry={() => setTries(tries + 1)} trans={trans} />
      )}
      {!gone && <Views {...props} job={job} details={details} />}
    </>
  );
}

function Header(props: IBodyProps & { job: IJob; details: IJobDetails | null }): JSX.Element {
  const { shared, commands, job, details } = props;
  const { trans, model } = shared;
  const now = model.now();
  const can = details?.can ?? {};
  const ended = isFinal(job.state);
  const paused = job.state === 'paused' || job.state === 'pausing';
  const button = (command: string, label: string, why = '', primary = false) => (
    <button
      className={`jp-mod-styled ${primary ? 'jp-mod-accept' : 'jp-mod-reject'}`}
      disabled={why !== ''}
      title={why || undefined}
      onClick={() => void commands.execute(command, { ids: [job.id] })}
    >
      {label}
    </button>
  );
  return (
    <header className="jp-Unattended-jobHeader">
      <div className="jp-Unattended-jobTitle">
        <StateMark state={job.state} />
        <h2 title={job.id}>{job.name}</h2>
        <span
          className={`jp-Unattended-badge jp-mod-${job.state}`}
          role="status"
          aria-label={trans.__('State')}
        >
          {stateWords(job, trans, now)}
        </span>
        <span className="jp-Unattended-elapsed" title={trans.__('Time since its start')}>
          {ranWords(job, details?.history ?? [], now, trans)}
        </span>
        <span className="jp-Unattended-where">{job.backend}</span>
      </div>
      {(job.started !== null || isActive(job.state)) && (
        <div className="jp-Unattended-jobProgress">
          <ProgressBar job={job} trans={trans} />
          <span>{progressWords(job, trans)}</span>
        </div>
      )}
      {job.reason && <p className={`jp-Unattended-jobReason jp-mod-${job.state}`}>{job.reason}</p>}
      <div
        className="jp-Unattended-actions"
        role="toolbar"
        aria-label={trans.__('Actions on this job')}
      >
        {!ended && !paused && button(CommandIDs.pause, trans.__('Pause'), can.pause)}
        {paused && button(CommandIDs.resume, trans.__('Resume'), can.resume, true)}
        {!ended && button(CommandIDs.cancel, trans.__('Cancel'), can.cancel)}
        {job.state === 'queued' &&
          button(CommandIDs.moveFirst, trans.__('Move to front'), can.move)}
        {button(CommandIDs.rerun, trans.__('Run again'))}
        {button(CommandIDs.clone, trans.__('Clone and edit…'))}
        {job.notebook_path !== null && button(CommandIDs.openNotebook, trans.__('Open notebook'))}
        {button(CommandIDs.download, trans.__('Download'))}
        {button(CommandIDs.delete, trans.__('Delete'), can.delete)}
      </div>
    </header>
  );
}

function Views(props: IBodyProps & { job: IJob; details: IJobDetails | null }): JSX.Element {
  const { widget, shared, tools, open, job, details } = props;
  const { trans } = shared;
  const [attempt, setAttempt] = useState<number | null>(null);
  // A part is made when it is first looked at, and stays.
  const [seen, setSeen] = useState<ReadonlySet<View>>(new Set([widget.view]));
  const view = widget.view;
  useEffect(() => {
    setSeen(before => (before.has(view) ? before : new Set([...before, view])));
  }, [view]);
  const titles: { readonly [view in View]: string } = {
    log: trans.__('Log'),
    notebook: trans.__('Notebook'),
    metrics: trans.__('Metrics'),
    attempts: job.attempt > 1 ? trans.__('Attempts (%1)', job.attempt) : trans.__('Attempts'),
    files: trans.__('Files'),
    details: trans.__('Details')
  };
  const shownAttempt = attempt ?? job.attempt;
  const onKeyDown = (event: React.KeyboardEvent) => {
    const index = VIEWS.indexOf(view);
    const steps: { [key: string]: number } = {
      ArrowRight: (index + 1) % VIEWS.length,
      ArrowLeft: (index + VIEWS.length - 1) % VIEWS.length,
      Home: 0,
      End: VIEWS.length - 1
    };
    if (event.key in steps) {
      const next = VIEWS[steps[event.key]];
      widget.view = next;
      document.getElementById(`${widget.id}-tab-${next}`)?.focus();
      event.preventDefault();
    }
  };
  const draw = (which: View, visible: boolean): JSX.Element => {
    switch (which) {
      case 'log':
        return (
          <>
            {job.attempt > 1 && (
              <div className="jp-Unattended-bar">
                <label>
                  {trans.__('Attempt')}{' '}
                  <select
                    className="jp-mod-styled"
                    value={attempt ?? ''}
                    onChange={event =>
                      setAttempt(event.target.value ? Number(event.target.value) : null)
                    }
                  >
                    <option value="">{trans.__('newest (%1)', job.attempt)}</option>
                    {Array.from({ length: job.attempt }, (_, i) => (
                      <option key={i} value={i + 1}>
                        {i + 1}
                      </option>
                    ))}
                  </select>
                </label>
              </div>
            )}
            <LogView
              key={shownAttempt}
              shared={shared}
              job={job}
              attempt={shownAttempt}
              visible={visible}
            />
          </>
        );
      case 'notebook':
        return <OutputView {...{ shared, job, tools, visible, open }} />;
      case 'metrics':
        return <MetricsView {...{ shared, job, visible }} />;
      case 'attempts':
        return details === null ? (
          <Loading what={trans.__('Reading the attempts…')} />
        ) : (
          <AttemptsView
            shared={shared}
            job={job}
            attempts={details.attempts}
            history={details.history}
            checkpoints={details.checkpoints}
            showLog={number => {
              setAttempt(number);
              widget.view = 'log';
            }}
          />
        );
      case 'files':
        return <FilesView {...{ shared, job, visible, open }} />;
      default:
        return details === null ? (
          <Loading what={trans.__('Reading the job…')} />
        ) : (
          <DetailsView {...{ shared, job, visible }} record={details.record} />
        );
    }
  };
  return (
    <>
      <div className="jp-Unattended-tabs" role="tablist" aria-label={trans.__('Parts of the job')}>
        {VIEWS.map(which => (
          <button
            key={which}
            id={`${widget.id}-tab-${which}`}
            role="tab"
            aria-selected={which === view}
            aria-controls={`${widget.id}-${which}`}
            tabIndex={which === view ? 0 : -1}
            onClick={() => (widget.view = which)}
            onKeyDown={onKeyDown}
          >
            {titles[which]}
          </button>
        ))}
      </div>
      {VIEWS.filter(which => seen.has(which) || which === view).map(which => (
        <div
          key={which}
          id={`${widget.id}-${which}`}
          className="jp-Unattended-tabPanel"
          role="tabpanel"
          aria-labelledby={`${widget.id}-tab-${which}`}
          hidden={which !== view}
        >
          {draw(which, which === view && widget.isVisible)}
        </div>
      ))}
    </>
  );
}
