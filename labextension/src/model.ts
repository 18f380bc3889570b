import type { Event } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { Api } from './api';
import { isFinal } from './states';
import type { IJob } from './types';

/** The schema of the events that the server sends when a job changes. */
const SCHEMA_ID = 'https://schema.jupyter-unattended.org/job';
/** Everything is read again this often, in case an event was missed. */
const RESYNC = 30 * 1000;
/** So many jobs are read first, and again at every resync: long lists are sent whole only once. */
const NEWEST = 200;
/** States that a job can leave by itself. */
const UNFINISHED = 'queued,starting,running,pausing,paused,preempted,unknown';

/** A change of one job: how it was (null: new) and how it is (null: deleted). */
export interface IJobChange {
  readonly id: string;
  readonly before: IJob | null;
  readonly after: IJob | null;
}

/**
 * All jobs, kept up to date: read once, then told by events, and read again now and then, because
 * events are not repeated for those who were away.
 */
export class JobsModel implements IDisposable {
  constructor(
    readonly api: Api,
    events: Event.IManager
  ) {
    this._events = events;
    events.stream.connect(this._onEvent, this);
    this._poll = new Poll({
      auto: true,
      name: 'jupyter-unattended:jobs',
      factory: () => this._read(),
      frequency: { interval: RESYNC, backoff: true, max: RESYNC },
      // Without a browser tab in front, events still arrive and the next look catches up.
      standby: 'when-hidden'
    });
  }

  /** Resolves when the jobs have been read, or could not be. */
  get ready(): Promise<void> {
    return this._poll.tick.then(
      () => undefined,
      () => undefined
    );
  }

  /** Newest first. */
  get jobs(): readonly IJob[] {
    if (this._sorted === null) {
      this._sorted = [...this._byId.values()].sort(
        (a, b) => b.created - a.created || (a.id < b.id ? 1 : -1)
      );
    }
    return this._sorted;
  }

  /** Whether the jobs have been read at least once. */
  get isLoaded(): boolean {
    return this._isLoaded;
  }

  /** Whether all jobs have been read at least once, not only the newest. */
  get isComplete(): boolean {
    return this._isComplete;
  }

  /** Why the jobs could not be read the last time, else null. */
  get error(): string | null {
    return this._error;
  }

  /** Something in `jobs`, `isLoaded` or `error` changed; at most once a frame. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** One job changed; not sent for what the first reading finds. */
  get jobChanged(): ISignal<this, IJobChange> {
    return this._jobChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._events.stream.disconnect(this._onEvent, this);
      this._poll.dispose();
      Signal.clearData(this);
    }
  }

  get(id: string): IJob | undefined {
    return this._byId.get(id);
  }

  /** The server's clock, as far as we know it, in seconds. */
  now(): number {
    return Date.now() / 1000 + this._skew;
  }

  refresh(): Promise<void> {
    return this._poll.refresh();
  }

  /** Take in what a request has just returned, without waiting for the event. */
  put(job: IJob): void {
    this._set(job.id, job);
  }

  /** Take note of a deletion that a request has just done. */
  remove(id: string): void {
    this._set(id, null);
  }

  private _set(id: string, after: IJob | null): void {
    const before = this._byId.get(id) ?? null;
    if (after === null) {
      if (before === null) {
        return;
      }
      this._byId.delete(id);
    } else {
      this._byId.set(id, after);
    }
    this._jobChanged.emit({ id, before, after });
    this._announce();
  }

  private _announce(): void {
    this._sorted = null;
    if (this._frame === 0) {
      // Not requestAnimationFrame, which sleeps in a hidden tab.
      this._frame = window.setTimeout(() => {
        this._frame = 0;
        this._changed.emit();
      }, 16);
    }
  }

  private _onEvent(_: unknown, event: Event.Emission): void {
    if (event.schema_id !== SCHEMA_ID) {
      return;
    }
    const { action, id, job } = event as unknown as { action: string; id: string; job?: IJob };
    this._set(id, action === 'deleted' ? null : (job ?? null));
  }

  private async _read(): Promise<void> {
    try {
      const { jobs, time, total } = await this.api.jobs({ limit: NEWEST });
      this._skew = time - Date.now() / 1000;
      this._error = null;
      if (jobs.length >= total) {
        this._replace(jobs);
      } else if (!this._isComplete) {
        this._byId = byId(jobs);
        this._isLoaded = true;
        this._announce();
        this._replace((await this.api.jobs()).jobs);
      } else {
        const older = await this.api.jobs({ state: UNFINISHED });
        const ended = await this._endedBeyond([...jobs, ...older.jobs]);
        const found = new Map(this._byId);
        [...older.jobs, ...jobs, ...ended].forEach(job => found.set(job.id, job));
        this._replace(found.size === total ? [...found.values()] : (await this.api.jobs()).jobs);
      }
    } catch (error) {
      this._error = (error as Error).message;
      throw error;
    } finally {
      this._announce();
    }
  }

  /** Jobs that have ended since, and are too old to be among the newest. */
  private async _endedBeyond(seen: readonly IJob[]): Promise<IJob[]> {
    const ids = new Set(seen.map(job => job.id));
    const missed = [...this._byId.values()].filter(job => !isFinal(job.state) && !ids.has(job.id));
    return missed.length ? (await this.api.jobs()).jobs : [];
  }

  private _replace(jobs: readonly IJob[]): void {
    const before = this._byId;
    this._byId = byId(jobs);
    if (this._isComplete) {
      this._tell(before, this._byId);
    }
    this._isLoaded = this._isComplete = true;
  }

  private _tell(before: ReadonlyMap<string, IJob>, found: ReadonlyMap<string, IJob>): void {
    for (const [id, after] of found) {
      const old = before.get(id) ?? null;
      if (old === null || old.state !== after.state || old.attempt !== after.attempt) {
        this._jobChanged.emit({ id, before: old, after });
      }
    }
    for (const [id, old] of before) {
      if (!found.has(id)) {
        this._jobChanged.emit({ id, before: old, after: null });
      }
    }
  }

  private _byId = new Map<string, IJob>();
  private _sorted: readonly IJob[] | null = null;
  private _skew = 0;
  private _isLoaded = false;
  private _isComplete = false;
  private _isDisposed = false;
  private _error: string | null = null;
  private _frame = 0;
  private _events: Event.IManager;
  private _poll: Poll;
  private _changed = new Signal<this, void>(this);
  private _jobChanged = new Signal<this, IJobChange>(this);
}

function byId(jobs: readonly IJob[]): Map<string, IJob> {
  return new Map(jobs.map(job => [job.id, job]));
}
