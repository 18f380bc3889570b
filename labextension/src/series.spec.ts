import { align, summary, toSeries } from './series';

const at = (t: number, values: { [name: string]: number | null }, step?: number, attempt = 1) => ({
  t,
  attempt,
  step,
  values
});

describe('toSeries', () => {
  it('makes a line of each metric, in the order of their first mention', () => {
    const series = toSeries(
      [at(10, { loss: 1, accuracy: 0 }, 0), at(20, { loss: 0.5 }, 1)],
      'step'
    );
    expect(series).toEqual([
      { name: 'loss', x: [0, 1], y: [1, 0.5] },
      { name: 'accuracy', x: [0], y: [0] }
    ]);
  });

  it('counts where no step is given', () => {
    expect(toSeries([at(1, { a: 5 }), at(2, { a: 6 })], 'step')[0].x).toEqual([0, 1]);
  });

  it('draws over time since the first report', () => {
    expect(toSeries([at(10, { a: 5 }, 3), at(25, { a: 6 }, 4)], 'time')[0].x).toEqual([0, 15]);
  });

  it('leaves out what a later attempt did again', () => {
    const metrics = [
      at(1, { a: 1 }, 0),
      at(2, { a: 2 }, 1),
      at(3, { a: 3 }, 2),
      at(9, { a: 22 }, 1, 2),
      at(10, { a: 33 }, 2, 2)
    ];
    expect(toSeries(metrics, 'step')).toEqual([{ name: 'a', x: [0, 1, 2], y: [1, 22, 33] }]);
  });

  it('begins a second line where one attempt counts anew', () => {
    const metrics = [at(1, { a: 1 }, 0), at(2, { a: 2 }, 1), at(3, { a: 9 }, 0)];
    expect(toSeries(metrics, 'step')).toEqual([
      { name: 'a', x: [0, 1], y: [1, 2] },
      { name: 'a (2)', x: [0], y: [9] }
    ]);
  });

  it('makes gaps of what is no number', () => {
    expect(toSeries([at(1, { a: null }, 0), at(2, { a: NaN }, 1)], 'step')[0].y).toEqual([
      null,
      null
    ]);
  });
});

describe('align', () => {
  it('puts lines over one axis', () => {
    const a = { name: 'a', x: [0, 2], y: [1, null] };
    const b = { name: 'b', x: [1, 2], y: [5, 6] };
    expect(align([a, b])).toEqual([
      [0, 1, 2],
      [1, undefined, null],
      [undefined, 5, 6]
    ]);
  });
});

describe('summary', () => {
  it('says what a plot shows', () => {
    expect(summary({ name: 'a', x: [0, 1, 2], y: [3, 1, 2] }, String)).toBe('last 2, min 1, max 3');
    expect(summary({ name: 'a', x: [], y: [] }, String)).toBe('');
  });
});
