import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { ReadonlyJSONValue } from '@lumino/coreutils';

import type { IImageState } from './images';
import type {
  Action,
  FormData,
  FormTarget,
  IFileModel,
  IFinding,
  IForm,
  IJob,
  IJobDetails,
  ILogChunk,
  IMetric,
  IPreview,
  ISubmitted
} from './types';

/** The server's refusal, in its own words, which are meant for a person. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly error: string = '',
    readonly findings: readonly IFinding[] = []
  ) {
    super(message);
  }
}

type Query = { [name: string]: string | number | undefined };

/** The server's endpoints; openapi.yaml describes them. */
export class Api {
  constructor(readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings()) {}

  status(): Promise<{ version: string }> {
    return this.request('GET', 'status');
  }

  /** Jobs, newest first; `total` counts all there are. */
  jobs(
    query: { limit?: number; state?: string } = {}
  ): Promise<{ jobs: IJob[]; time: number; total: number }> {
    return this.request('GET', 'jobs' + encode(query));
  }

  job(id: string): Promise<IJobDetails> {
    return this.request('GET', job(id));
  }

  act(id: string, action: Action): Promise<IJob> {
    return this.request('POST', job(id, action));
  }

  change(id: string, changes: { priority?: number; position?: number }): Promise<IJob> {
    return this.request('PATCH', job(id), changes);
  }

  delete(id: string): Promise<void> {
    return this.request('DELETE', job(id));
  }

  log(
    id: string,
    query: { attempt?: number; offset: number; wait?: number; limit?: number },
    signal?: AbortSignal
  ): Promise<ILogChunk> {
    return this.request('GET', job(id, 'log') + encode(query), undefined, signal);
  }

  metrics(id: string, offset: number): Promise<{ metrics: IMetric[]; offset: number }> {
    return this.request('GET', job(id, 'metrics') + encode({ offset }));
  }

  /** The executed notebook; `notebook` is null while it is the version in `seen`. */
  output(id: string, seen: string): Promise<{ version: string; notebook: any }> {
    return this.request('GET', job(id, 'output') + encode({ seen }));
  }

  contents(id: string, path: string, content: boolean): Promise<IFileModel> {
    const where = path
      ? URLExt.join(job(id, 'contents'), URLExt.encodeParts(path))
      : job(id, 'contents');
    return this.request('GET', where + encode({ content: content ? 1 : 0 }));
  }

  form(target: FormTarget, backend?: string): Promise<IForm> {
    return this.request('GET', 'form' + encode({ ...target, backend }));
  }

  preview(target: FormTarget, data: FormData): Promise<IPreview> {
    return this.request('POST', 'preview', { ...target, data });
  }

  submit(target: FormTarget, data: FormData, force = false): Promise<ISubmitted> {
    return this.request('POST', 'jobs', { ...target, data, force });
  }

  /** How far the image is that is being made for a notebook. */
  image(notebook: string): Promise<IImageState> {
    return this.request('GET', 'image' + encode({ notebook }));
  }

  makeImage(notebook: string, data: FormData, base: string): Promise<IImageState> {
    return this.request('POST', 'image', { notebook, data, base });
  }

  cancelImage(notebook: string): Promise<void> {
    return this.request('DELETE', 'image' + encode({ notebook }));
  }

  /** Where the browser gets a file of a job from, or all of them. */
  downloadUrl(id: string, path?: string): string {
    const where = path
      ? URLExt.join(job(id, 'files'), URLExt.encodeParts(path))
      : job(id, 'archive');
    const url = this.url(where);
    const token = this.settings.appendToken ? this.settings.token : '';
    return token ? `${url}?token=${encodeURIComponent(token)}` : url;
  }

  private url(path: string): string {
    return URLExt.join(this.settings.baseUrl, 'jupyter-unattended', path);
  }

  private async request<T>(
    method: string,
    path: string,
    body?: ReadonlyJSONValue | object,
    signal?: AbortSignal
  ): Promise<T> {
    const init: RequestInit = { method, signal };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    const ask = () => ServerConnection.makeRequest(this.url(path), init, this.settings);
    let response: Response;
    try {
      // Browsers cut all connections where a network comes or goes; reading again does no harm.
      response = await (method === 'GET' ? ask().catch(() => later(ask, signal)) : ask());
    } catch (error) {
      if (signal?.aborted) {
        throw error;
      }
      throw new ApiError('The Jupyter server does not answer.', 0);
    }
    if (response.status === 204) {
      return undefined as T;
    }
    const text = await response.text();
    let answer: any;
    try {
      answer = JSON.parse(text);
    } catch {
      answer = undefined;
    }
    if (response.ok && answer !== undefined) {
      return answer;
    }
    throw new ApiError(
      answer?.message || `The server answered ${response.status} ${response.statusText}.`,
      response.status,
      answer?.error,
      answer?.findings
    );
  }
}

/** Try after a moment, unless nobody waits any more. */
async function later<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  await new Promise(resolve => window.setTimeout(resolve, 500));
  signal?.throwIfAborted();
  return ask();
}

function job(id: string, part = ''): string {
  return `jobs/${encodeURIComponent(id)}${part && '/' + part}`;
}

function encode(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return given.length
    ? '?' + given.map(([name, value]) => `${name}=${encodeURIComponent(value as any)}`).join('&')
    : '';
}
