import type { IMetric } from './types';

/** One metric of one run, ready to be drawn. */
export interface ISeries {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

export type Axis = 'step' | 'time';

/**
 * The series in what a notebook reported, in the order of their first mention.
 *
 * An attempt that goes on from a checkpoint reports some steps again: what the earlier attempt said
 * from there on is left out, because that work was lost and done anew. Where steps begin again
 * within one attempt (a second model, a cell in a loop), a second line begins.
 */
export function toSeries(metrics: readonly IMetric[], axis: Axis): ISeries[] {
  const found = new Map<string, ILine[]>();
  const start = metrics.length ? metrics[0].t : 0;
  for (const metric of metrics) {
    for (const [name, value] of Object.entries(metric.values)) {
      let lines = found.get(name);
      if (lines === undefined) {
        lines = [{ x: [], y: [], attempt: metric.attempt }];
        found.set(name, lines);
      }
      let line = lines[lines.length - 1];
      const last = line.x[line.x.length - 1];
      let x = metric.t - start;
      if (axis === 'step') {
        x = metric.step ?? (last === undefined ? 0 : last + 1);
        if (last !== undefined && x < last && line.attempt === metric.attempt) {
          line = { x: [], y: [], attempt: metric.attempt };
          lines.push(line);
        }
        while (line.x.length && line.x[line.x.length - 1] >= x) {
          line.x.pop();
          line.y.pop();
        }
      }
      line.attempt = metric.attempt;
      line.x.push(x);
      line.y.push(typeof value === 'number' && Number.isFinite(value) ? value : null);
    }
  }
  return [...found].flatMap(([name, lines]) =>
    lines.map(({ x, y }, i) => ({ name: i === 0 ? name : `${name} (${i + 1})`, x, y }))
  );
}

interface ILine {
  x: number[];
  y: (number | null)[];
  attempt: number;
}

/** Several series of one metric over a common x axis, as uPlot wants them. */
export function align(series: readonly ISeries[]): (number | null | undefined)[][] {
  const xs = [...new Set(series.flatMap(one => one.x))].sort((a, b) => a - b);
  const index = new Map(xs.map((x, i) => [x, i]));
  const ys = series.map(one => {
    // undefined: nothing here, draw on to the next point; null: a gap.
    const column: (number | null | undefined)[] = new Array(xs.length).fill(undefined);
    one.x.forEach((x, i) => (column[index.get(x) as number] = one.y[i]));
    return column;
  });
  return [xs, ...ys];
}

/** A sentence that says what a plot shows. */
export function summary(series: ISeries, format: (value: number) => string): string {
  const values = series.y.filter((y): y is number => y !== null);
  if (!values.length) {
    return '';
  }
  // Not Math.min(...values): a long run has more values than a call may have arguments.
  const [low, high] = values.reduce(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Infinity, -Infinity]
  );
  return `last ${format(values[values.length - 1])}, min ${format(low)}, max ${format(high)}`;
}
