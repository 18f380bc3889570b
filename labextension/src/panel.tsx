import { HTMLSelect, ReactWidget, refreshIcon, closeIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import React, { useMemo, useState } from 'react';

import { Empty, ErrorNote, Loading } from './components';
import { useSignal, useTick } from './hooks';
import { unattendedIcon } from './icons';
import { JobList } from './jobList';
import { filterJobs, isActive } from './states';
import type { IUnattended } from './tokens';
import { CommandIDs } from './tokens';

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
            placeholder={trans.__('Filter jobs')}
            title={trans.__('Name, id, notebook or reason')}
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
