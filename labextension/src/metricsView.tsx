import { HTMLSelect } from '@jupyterlab/ui-components';
import React, { useEffect, useMemo, useRef, useState } from 'react';

import { Empty, ErrorNote, Loading } from './components';
import { useRepeated } from './hooks';
import { Plot } from './plot';
import type { Axis } from './series';
import { toSeries } from './series';
import { isFinal } from './states';
import type { IUnattended } from './tokens';
import type { IJob, IMetric } from './types';

/** Milliseconds between two looks at the metrics of a job that runs. */
const INTERVAL = 1000;

/** What one job reported, read from where one stopped; null until it has been read. */
export function useMetrics(
  shared: IUnattended,
  job: IJob,
  visible: boolean
): [readonly IMetric[] | null, string | null] {
  const [metrics, setMetrics] = useState<readonly IMetric[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const offset = useRef(0);
  useEffect(() => {
    offset.current = 0;
    setMetrics(null);
  }, [job.id]);
  const ended = isFinal(job.state);
  useRepeated(
    async () => {
      try {
        const answer = await shared.api.metrics(job.id, offset.current);
        offset.current = answer.offset;
        setMetrics(before =>
          before === null || answer.metrics.length ? [...(before ?? []), ...answer.metrics] : before
        );
        setError(null);
        return !ended;
      } catch (problem) {
        setError((problem as Error).message);
        throw problem;
      }
    },
    INTERVAL,
    visible,
    [job.id, ended]
  );
  return [metrics, error];
}

/** Which axes a plot has; kept by whoever shows plots. */
export function PlotOptions(props: {
  shared: IUnattended;
  axis: Axis;
  setAxis: (axis: Axis) => void;
  logarithmic: boolean;
  setLogarithmic: (on: boolean) => void;
}): JSX.Element {
  const { trans } = props.shared;
  return (
    <div className="jp-Unattended-plotOptions">
      <label>
        {trans.__('Over')}
        <HTMLSelect
          value={props.axis}
          aria-label={trans.__('Horizontal axis')}
          onChange={event => props.setAxis(event.target.value as Axis)}
        >
          <option value="step">{trans.__('steps')}</option>
          <option value="time">{trans.__('time')}</option>
        </HTMLSelect>
      </label>
      <label>
        <input
          type="checkbox"
          checked={props.logarithmic}
          onChange={event => props.setLogarithmic(event.target.checked)}
        />
        {trans.__('Logarithmic')}
      </label>
    </div>
  );
}

/** Plots of everything that a job reported, live. */
export function MetricsView(props: {
  shared: IUnattended;
  job: IJob;
  visible: boolean;
}): JSX.Element {
  const { shared, job, visible } = props;
  const { trans } = shared;
  const [metrics, error] = useMetrics(shared, job, visible);
  const [axis, setAxis] = useState<Axis>('step');
  const [logarithmic, setLogarithmic] = useState(false);
  const series = useMemo(() => toSeries(metrics ?? [], axis), [metrics, axis]);
  if (metrics === null) {
    return error !== null ? (
      <ErrorNote message={error} trans={trans} />
    ) : (
      <Loading what={trans.__('Reading the metrics…')} />
    );
  }
  if (series.length === 0) {
    return (
      <Empty>
        <p>
          {isFinal(job.state)
            ? trans.__('The notebook reported no metrics.')
            : trans.__('The notebook has not reported any metrics yet.')}
        </p>
        <p>{trans.__('A notebook reports them so:')}</p>
        <pre>{'from jupyter_unattended import report\n\nreport(step=epoch, loss=loss)'}</pre>
      </Empty>
    );
  }
  return (
    <div className="jp-Unattended-metrics">
      <PlotOptions {...{ shared, axis, setAxis, logarithmic, setLogarithmic }} />
      {error !== null && <ErrorNote message={error} trans={trans} />}
      <div className="jp-Unattended-plots">
        {series.map(one => (
          <Plot
            key={one.name}
            title={one.name}
            series={[one]}
            axis={axis}
            logarithmic={logarithmic}
          />
        ))}
      </div>
    </div>
  );
}
