/** What the server says; the names are those of openapi.yaml. Times are seconds since the epoch. */

import type { JSONObject, ReadonlyJSONObject } from '@lumino/coreutils';

export type State =
  | 'queued'
  | 'starting'
  | 'running'
  | 'pausing'
  | 'paused'
  | 'preempted'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'unknown';

export interface IProgress {
  readonly cells_done: number | null;
  readonly cells_total: number | null;
  readonly done: number | null;
  readonly total: number | null;
  readonly eta: number | null;
  readonly fraction: number | null;
}

export interface IJob {
  readonly id: string;
  readonly name: string;
  readonly notebook: string;
  /** Contents path of the notebook, null where the file browser cannot show it. */
  readonly notebook_path: string | null;
  readonly workspace: string;
  readonly directory: string;
  readonly backend: string;
  readonly state: State;
  readonly reason: string;
  readonly since: number | null;
  readonly exit_code: number | null;
  readonly created: number;
  readonly started: number | null;
  readonly ended: number | null;
  readonly attempt: number;
  readonly priority: number;
  readonly position: number | null;
  readonly progress: IProgress;
  readonly restarted_from: string | null;
}

/** What came of a submit: the job, or the first of several. */
export interface ISubmitted extends IJob {
  readonly runs: number;
}

export interface IAttempt {
  readonly number: number;
  readonly host: string | null;
  readonly started: number | null;
  readonly ended: number | null;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly reason: string | null;
}

/** What one attempt saved and lost. */
export interface IAttemptSaving {
  readonly number: number;
  readonly saves: number;
  readonly saving_seconds: number;
  readonly size: number;
  /** Work at its end that no checkpoint had; null while it runs. */
  readonly lost_seconds: number | null;
  /** Where it went on, or why it began at the top. */
  readonly began: string;
}

/** What checkpoints saved and lost, and what a stop would lose now. */
export interface ICheckpoints {
  readonly next_stop: string;
  readonly unsaved_seconds: number | null;
  readonly attempts: readonly IAttemptSaving[];
}

export interface IHistoryEntry {
  readonly t: number;
  readonly state: State;
  readonly reason: string;
  readonly by: string;
  readonly attempt: number | null;
  readonly exit_code: number | null;
}

export type Action = 'pause' | 'resume' | 'cancel' | 'rerun';

export interface IJobDetails {
  readonly job: IJob;
  /** job.json as submitted. */
  readonly record: ReadonlyJSONObject;
  readonly attempts: readonly IAttempt[];
  readonly history: readonly IHistoryEntry[];
  readonly checkpoints: ICheckpoints;
  /** For each action why it cannot be done now; an empty text where it can. */
  readonly can: { readonly [action: string]: string };
}

export interface ILogChunk {
  readonly attempt: number;
  readonly text: string;
  readonly offset: number;
  readonly size: number;
  readonly last: boolean;
}

export interface IMetric {
  readonly t: number;
  readonly attempt: number;
  readonly step?: number | null;
  readonly values: { readonly [name: string]: number | null };
}

export interface IFinding {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly cell: number | null;
  readonly line: number | null;
  readonly message: string;
  readonly fix: string;
}

export interface IBackend {
  readonly name: string;
  readonly title: string;
  readonly usable: boolean;
  readonly reason: string;
  /** Field of the form -> why this backend has no use for it. */
  readonly disabled: { readonly [field: string]: string };
  readonly options: JSONObject;
  /** Field of the form -> keywords of its schema that hold for this backend alone. */
  readonly fields: { readonly [field: string]: JSONObject };
}

/** A JSON Schema with the keywords of ours that forms.py describes. */
export interface IFormSchema extends JSONObject {
  properties: { [name: string]: JSONObject };
}

export type FormData = JSONObject;

export interface IForm {
  readonly schema: IFormSchema;
  readonly data: FormData;
  readonly backends: readonly IBackend[];
  readonly findings: readonly IFinding[];
  readonly requirements: { readonly source: string; readonly unmapped: readonly string[] };
  readonly notebook_path: string | null;
}

export interface IPreview {
  readonly files: readonly { filename: string; language: string; text: string }[];
  readonly findings: readonly IFinding[];
}

/** What a form is for: a notebook (by Contents path), or a clone of a job. */
export type FormTarget = { readonly notebook: string } | { readonly job: string };

export interface IFileModel {
  readonly name: string;
  readonly path: string;
  readonly type: 'file' | 'directory' | 'notebook';
  readonly size: number | null;
  readonly last_modified: string;
  readonly content: any;
}
