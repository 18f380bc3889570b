import React, { useEffect, useReducer, useRef } from 'react';
import uPlot from 'uplot';

import { formatDuration, formatNumber } from './format';
import { useSize } from './hooks';
import type { Axis, ISeries } from './series';
import { align, summary } from './series';

/** Colours of lines, readable on both themes and told apart by the colour-blind (Okabe and Ito). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6bb1'];
const COLORS_DARK = ['#56b4e9', '#ff9d5c', '#2fd6a3', '#e6a1c9', '#f0c14b', '#9ad0f5', '#b79bd8'];
const HEIGHT = 190;

export interface IPlotProps {
  /** What is drawn, as a title. */
  title: string;
  /** Lines over one axis; the name of a single one is not shown. */
  series: readonly ISeries[];
  axis: Axis;
  logarithmic: boolean;
}

/** A small line chart that follows the theme, with the values under the pointer. */
export function Plot(props: IPlotProps): JSX.Element {
  const { title, series, axis, logarithmic } = props;
  const [ref, width] = useSize<HTMLDivElement>();
  const chart = useRef<uPlot | null>(null);
  const [theme, themeChanged] = useReducer((count: number) => count + 1, 0);
  // A new chart only where its shape changes; new points are put into the one that is there.
  const shape = JSON.stringify([series.map(one => one.name), axis, logarithmic, theme]);

  useEffect(() => {
    const observer = new MutationObserver(themeChanged);
    observer.observe(document.body, {
      attributes: true,
      attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light']
    });
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const host = ref.current;
    if (host === null || width === 0) {
      return undefined;
    }
    const made = new uPlot(
      options(series, axis, logarithmic, width),
      align(series) as uPlot.AlignedData,
      host
    );
    chart.current = made;
    return () => {
      chart.current = null;
      made.destroy();
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- see shape
  }, [shape, width > 0]);

  useEffect(() => {
    chart.current?.setData(align(series) as uPlot.AlignedData);
  }, [series]);

  useEffect(() => {
    if (width > 0) {
      chart.current?.setSize({ width, height: HEIGHT });
    }
  }, [width]);

  const words = series
    .map(one => `${series.length > 1 ? one.name + ': ' : ''}${summary(one, formatNumber)}`)
    .join('; ');
  return (
    <figure className="jp-Unattended-plot" aria-label={`${title}: ${words}`}>
      <figcaption>
        <span className="jp-Unattended-plotTitle">{title}</span>
        {series.length === 1 && <span>{summary(series[0], formatNumber)}</span>}
      </figcaption>
      <div ref={ref} style={{ minHeight: HEIGHT }} />
    </figure>
  );
}

function options(
  series: readonly ISeries[],
  axis: Axis,
  logarithmic: boolean,
  width: number
): uPlot.Options {
  const style = getComputedStyle(document.body);
  const color = (name: string, fallback: string) => style.getPropertyValue(name).trim() || fallback;
  const dark = document.body.dataset.jpThemeLight === 'false';
  const colors = dark ? COLORS_DARK : COLORS;
  const ink = color('--jp-ui-font-color1', '#333');
  const grid = { stroke: color('--jp-border-color2', '#ddd'), width: 1 };
  const font = `11px ${color('--jp-ui-font-family', 'sans-serif')}`;
  const onlyPositive = series.every(one => one.y.every(y => y === null || y > 0));
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: false }, y: { distr: logarithmic && onlyPositive ? 3 : 1 } },
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    legend: { show: true, live: true },
    axes: [
      {
        stroke: ink,
        font,
        grid,
        ticks: grid,
        size: 34,
        values: (_: uPlot, splits: number[]) =>
          splits.map(value => (axis === 'step' ? formatNumber(value) : formatDuration(value)))
      },
      {
        stroke: ink,
        font,
        grid,
        ticks: grid,
        size: 58,
        values: (_: uPlot, splits: number[]) =>
          splits.map(value => (value === null ? '' : formatNumber(value)))
      }
    ],
    series: [
      {
        label: axis === 'step' ? 'step' : 'time',
        value: (_: uPlot, value: number | null) =>
          value === null ? '–' : axis === 'step' ? formatNumber(value) : formatDuration(value)
      },
      ...series.map((one, i) => ({
        label: one.name,
        stroke: colors[i % colors.length],
        width: 1.75,
        // More lines than colours: the second round is dashed.
        dash: i >= colors.length ? [6, 4] : undefined,
        points: {
          show: series.every(any => any.x.length < 40),
          size: 5,
          fill: colors[i % colors.length]
        },
        spanGaps: false,
        value: (_: uPlot, value: number | null) => (value === null ? '–' : formatNumber(value))
      }))
    ]
  };
}
