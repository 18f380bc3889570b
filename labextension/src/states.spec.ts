import { formatDuration, formatNumber, formatRough, formatSize } from './format';
import { normalise } from './normalise';
import { elapsed, filterJobs, ran, whyEnded, timeLeft } from './states';
import type { IJob } from './types';

const job = (changes: object = {}): IJob =>
  ({
    id: 'train-1',
    name: 'Training',
    notebook: '/w/train.ipynb',
    notebook_path: 'train.ipynb',
    state: 'running',
    reason: '',
    since: 150,
    created: 90,
    started: 100,
    ended: null,
    attempt: 1,
    progress: { cells_done: 1, cells_total: 4, done: null, total: null, eta: null, fraction: 0.25 },
    ...changes
  }) as unknown as IJob;

describe('time', () => {
  it('runs from the start to the end', () => {
    expect(elapsed(job({ started: null }), 160)).toBeNull();
    expect(elapsed(job(), 160)).toBe(60);
    expect(elapsed(job({ state: 'failed', ended: 130 }), 160)).toBe(30);
    expect(elapsed(job({ state: 'paused' }), 999)).toBe(50);
  });

  it('left is what the notebook says, never a guess from cells', () => {
    expect(timeLeft(job(), 160)).toBeNull();
    const progress = { ...job().progress, done: 1, total: 4 };
    expect(timeLeft(job({ progress }), 160)).toBe(180);
    expect(timeLeft(job({ progress: { ...progress, eta: 12 } }), 160)).toBe(12);
    expect(timeLeft(job({ progress, state: 'queued' }), 160)).toBeNull();
  });
});

describe('filterJobs', () => {
  const jobs = [job(), job({ id: 'b', name: 'Other', notebook_path: 'b.ipynb', state: 'failed' })];
  const names = (filter: object) =>
    filterJobs(jobs, { states: 'all', text: '', notebook: null, ...filter }).map(one => one.name);

  it('looks at state, words and notebook', () => {
    expect(names({})).toEqual(['Training', 'Other']);
    expect(names({ states: 'running' })).toEqual(['Training']);
    expect(names({ text: 'OTH er' })).toEqual(['Other']);
    expect(names({ notebook: 'b.ipynb' })).toEqual(['Other']);
    expect(names({ text: 'nothing' })).toEqual([]);
  });
});

describe('format', () => {
  it('writes lengths of time', () => {
    expect([0, 75, 3700, 200000].map(formatDuration)).toEqual(['0:00', '1:15', '1:01:40', '2d 7h']);
    expect([42, 300, 10800, 172800].map(formatRough)).toEqual(['42 s', '5 min', '3 h', '2 d']);
  });

  it('writes sizes and numbers', () => {
    expect([0, 1536, 5 * 2 ** 30].map(formatSize)).toEqual(['0 B', '1.5 KiB', '5.0 GiB']);
    expect([3, 0.123456, 1.5e-7, 2.5e7, NaN].map(formatNumber)).toEqual([
      '3',
      '0.1235',
      '1.50e-7',
      '25000000',
      'NaN'
    ]);
  });
});

describe('normalise', () => {
  it('joins lists of lines, but not JSON', () => {
    const notebook: any = {
      cells: [
        {
          cell_type: 'code',
          source: ['a\n', 'b'],
          outputs: [
            { output_type: 'stream', name: 'stdout', text: ['1\n', '2\n'] },
            {
              output_type: 'display_data',
              data: { 'text/plain': ['x'], 'application/json': ['y', 'z'] }
            }
          ]
        },
        { cell_type: 'markdown', source: 'c' }
      ]
    };
    const [code, markdown] = normalise(notebook).cells as any[];
    expect(code.source).toBe('a\nb');
    expect(code.outputs[0].text).toBe('1\n2\n');
    expect(code.outputs[1].data).toEqual({ 'text/plain': 'x', 'application/json': ['y', 'z'] });
    expect(markdown.source).toBe('c');
  });
});

describe('ran', () => {
  it('leaves out queues and pauses', () => {
    const at = (t: number, state: string) => ({ t, state }) as any;
    const history = [
      at(0, 'queued'),
      at(10, 'starting'),
      at(12, 'running'),
      at(40, 'pausing'),
      at(42, 'paused'),
      at(500, 'queued'),
      at(510, 'running')
    ];
    expect(ran(history, 520)).toBe(42);
    expect(ran([...history, at(515, 'succeeded')], 9999)).toBe(37);
  });
});

describe('whyEnded', () => {
  const at = (t: number, state: string, reason = '') => ({ t, state, reason }) as any;
  const trans: any = { __: (text: string) => text };
  const history = [
    at(0, 'queued', 'waiting for a GPU'),
    at(10, 'running'),
    at(40, 'preempted', 'a more important job needs the GPU'),
    at(41, 'queued', 'waiting for a GPU'),
    at(60, 'running'),
    at(90, 'failed', 'used 5 GiB of memory; its limit is 4 GiB')
  ];

  it('is what was said between the start of an attempt and that of the next', () => {
    expect(whyEnded(history, 10, 60, trans)).toBe('a more important job needs the GPU');
    expect(whyEnded(history, 60, null, trans)).toBe('used 5 GiB of memory; its limit is 4 GiB');
  });

  it('is the state where that says it', () => {
    expect(whyEnded([at(1, 'running'), at(2, 'paused')], 1, null, trans)).toBe('Paused');
  });

  it('is nothing while it runs', () => {
    expect(whyEnded(history.slice(0, 5), 60, null, trans)).toBe('');
  });
});
