import { HTMLSelect, ReactWidget } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import React, { useEffect, useMemo, useReducer, useState } from 'react';

import { elapsedWords, Empty, ErrorNote, Loading, StateMark } from './components';
import { useSignal } from './hooks';
import { unattendedIcon } from './icons';
import { PlotOptions, useMetrics } from './metricsView';
import { Plot } from './plot';
import type { Axis, ISeries } from './series';
import { toSeries } from './series';
import { stateWord } from './states';
import type { IUnattended } from './tokens';
import type { IJob, IMetric } from './types';

/** Several jobs side by side: what differs in what was asked for, and metrics over each other. */
export class CompareWidget extends ReactWidget {
  constructor(
    readonly ids: readonly string[],
    private readonly _shared: IUnattended,
    private readonly _open: (id: string) => void
  ) {
    super();
    const { trans } = _shared;
    this.id = `jupyter-unattended-compare-${ids.join('-')}`;
    this.addClass('jp-Unattended-compare');
    this.title.icon = unattendedIcon;
    this.title.closable = true;
    this.title.label = trans.__('Compare %1 jobs', ids.length);
    this.title.caption = ids.join('\n');
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    // MainAreaWidget has given it a name that says nothing.
    this.node.setAttribute('aria-label', this.title.label);
  }

  protected render(): JSX.Element {
    return <CompareBody ids={this.ids} shared={this._shared} open={this._open} />;
  }
}

function CompareBody(props: {
  ids: readonly string[];
  shared: IUnattended;
  open: (id: string) => void;
}): JSX.Element {
  const { ids, shared, open } = props;
  const { api, model, trans } = shared;
  useSignal(model.changed);
  const [records, setRecords] = useState<{ [id: string]: ReadonlyJSONObject }>({});
  const [error, setError] = useState<string | null>(null);
  const [onlyDifferent, setOnlyDifferent] = useState(true);
  const [axis, setAxis] = useState<Axis>('step');
  const [logarithmic, setLogarithmic] = useState(false);
  const [which, setWhich] = useState('');
  const [metrics, addMetrics] = useReducer(
    (all: { [id: string]: readonly IMetric[] }, one: { id: string; all: readonly IMetric[] }) => ({
      ...all,
      [one.id]: one.all
    }),
    {}
  );

  useEffect(() => {
    let current = true;
    Promise.all(ids.map(id => api.job(id))).then(
      found => {
        if (current) {
          setRecords(Object.fromEntries(found.map(one => [one.job.id, one.record])));
          found.forEach(one => model.get(one.job.id) ?? model.put(one.job));
        }
      },
      problem => current && setError(problem.message)
    );
    return () => {
      current = false;
    };
  }, [api, ids, model]);

  const jobs = ids.map(id => model.get(id)).filter((job): job is IJob => job !== undefined);
  const rows = useMemo(() => differences(ids.map(id => records[id])), [ids, records]);
  const shown = rows.filter(row => row.differs || !onlyDifferent);
  const series = useMemo(() => {
    const byName = new Map<string, ISeries[]>();
    for (const job of jobs) {
      for (const one of toSeries(metrics[job.id] ?? [], axis)) {
        byName.set(one.name, [...(byName.get(one.name) ?? []), { ...one, name: label(job, jobs) }]);
      }
    }
    return byName;
    // eslint-disable-next-line react-hooks/exhaustive-deps -- jobs is made anew at every drawing
  }, [metrics, axis, ids, jobs.map(job => job.name).join('\n')]);
  const names = [...series.keys()];

  if (error !== null) {
    return <ErrorNote message={error} trans={trans} />;
  }
  if (Object.keys(records).length === 0) {
    return <Loading what={trans.__('Reading the jobs…')} />;
  }
  return (
    <>
      {jobs.map(job => (
        <Feed key={job.id} {...{ shared, job }} take={all => addMetrics({ id: job.id, all })} />
      ))}
      <h2>{trans.__('What differs')}</h2>
      <label className="jp-Unattended-check">
        <input
          type="checkbox"
          checked={onlyDifferent}
          onChange={event => setOnlyDifferent(event.target.checked)}
        />
        {trans.__('Only what differs')}
      </label>
      <div className="jp-Unattended-scroll">
        <table className="jp-Unattended-table">
          <thead>
            <tr>
              <th scope="col" />
              {jobs.map(job => (
                <th key={job.id} scope="col">
                  <button className="jp-Unattended-link" onClick={() => open(job.id)}>
                    {label(job, jobs)}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">{trans.__('State')}</th>
              {jobs.map(job => (
                <td key={job.id}>
                  <span className="jp-Unattended-stateCell">
                    <StateMark state={job.state} />
                    {stateWord(job.state, trans)}
                  </span>
                </td>
              ))}
            </tr>
            <tr>
              <th scope="row">{trans.__('Time')}</th>
              {jobs.map(job => (
                <td key={job.id}>{elapsedWords(job, model.now()) || '–'}</td>
              ))}
            </tr>
            {shown.map(row => (
              <tr key={row.name} className={row.differs ? 'jp-mod-differs' : ''}>
                <th scope="row">{row.name}</th>
                {row.values.map((value, i) => (
                  <td key={i}>{value}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <h2>{trans.__('Metrics')}</h2>
      {names.length === 0 ? (
        <Empty>{trans.__('None of these jobs has reported metrics.')}</Empty>
      ) : (
        <>
          <div className="jp-Unattended-plotOptions">
            <label>
              {trans.__('Metric')}
              <HTMLSelect
                value={which}
                aria-label={trans.__('Metric')}
                onChange={event => setWhich(event.target.value)}
              >
                <option value="">{trans.__('all')}</option>
                {names.map(name => (
                  <option key={name}>{name}</option>
                ))}
              </HTMLSelect>
            </label>
            <PlotOptions {...{ shared, axis, setAxis, logarithmic, setLogarithmic }} />
          </div>
          <div className="jp-Unattended-plots">
            {names
              .filter(name => !which || name === which)
              .map(name => (
                <Plot
                  key={name}
                  title={name}
                  series={series.get(name) as ISeries[]}
                  axis={axis}
                  logarithmic={logarithmic}
                />
              ))}
          </div>
        </>
      )}
    </>
  );
}

/** Reads one job's metrics; draws nothing. */
function Feed(props: {
  shared: IUnattended;
  job: IJob;
  take: (metrics: readonly IMetric[]) => void;
}): null {
  const [metrics] = useMetrics(props.shared, props.job, true);
  useEffect(() => {
    if (metrics !== null) {
      props.take(metrics);
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- take is made anew at every drawing
  }, [metrics]);
  return null;
}

/** The job's name, with its id where several are called the same. */
function label(job: IJob, jobs: readonly IJob[]): string {
  return jobs.filter(other => other.name === job.name).length > 1
    ? `${job.name} (${job.id})`
    : job.name;
}

interface IRow {
  readonly name: string;
  readonly values: readonly string[];
  readonly differs: boolean;
}

/** What the specs of some jobs say, one row a value: parameters first. */
export function differences(records: readonly (ReadonlyJSONObject | undefined)[]): IRow[] {
  const specs = records.map(record => (record?.spec ?? {}) as ReadonlyJSONObject);
  const flat = specs.map(spec => {
    const parameters = (spec.parameters ?? {}) as ReadonlyJSONObject;
    const env = (spec.env ?? {}) as ReadonlyJSONObject;
    const rest = Object.entries(spec).filter(
      ([name]) => !['parameters', 'env', 'name', 'schema_version', 'arguments'].includes(name)
    );
    const args = Array.isArray(spec.arguments) ? spec.arguments.join(' ') : '';
    return new Map<string, string>([
      ...Object.entries(parameters).map(([name, value]): [string, string] => [name, show(value)]),
      ...(Object.keys(parameters).length || !args
        ? []
        : ([['arguments', args]] as [string, string][])),
      ...Object.entries(env).map(([name, value]): [string, string] => [`$${name}`, show(value)]),
      ...rest.map(([name, value]): [string, string] => [name.replace(/_/g, ' '), show(value)])
    ]);
  });
  const names = [...new Set(flat.flatMap(one => [...one.keys()]))];
  return names.map(name => {
    const values = flat.map(one => one.get(name) ?? '');
    return { name, values, differs: values.some(value => value !== values[0]) };
  });
}

function show(value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}
