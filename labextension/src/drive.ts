import { PathExt } from '@jupyterlab/coreutils';
import type { Contents, ServerConnection } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { Api } from './api';
import { normalise } from './normalise';

/** The drive's name, as in `Unattended:ID/output.ipynb`. */
export const DRIVE = 'Unattended';

/**
 * The job directories as a drive, so that everything JupyterLab can open it opens from there:
 * notebooks, logs, images. Job directories are hidden from the file browser, and are only read.
 */
export class JobsDrive implements Contents.IDrive {
  constructor(private readonly _api: Api) {}

  readonly name = DRIVE;

  get serverSettings(): ServerConnection.ISettings {
    return this._api.settings;
  }

  get fileChanged(): ISignal<this, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  async get(localPath: string, options?: Contents.IFetchOptions): Promise<Contents.IModel> {
    const [id, path] = split(localPath);
    if (!id) {
      return directory('', []);
    }
    const found = await this._api.contents(id, path, options?.content ?? true);
    const model = {
      ...found,
      name: path ? found.name : id,
      path: PathExt.join(id, found.path)
    } as unknown as Contents.IModel;
    if (Array.isArray(found.content)) {
      const content = found.content.map(child => ({
        ...child,
        path: PathExt.join(id, child.path)
      }));
      return { ...model, content };
    }
    if (model.type === 'notebook' && model.content && options?.type !== 'file') {
      return { ...model, content: normalise(model.content) };
    }
    return options?.type === 'file' && model.type === 'notebook' && model.content
      ? {
          ...model,
          type: 'file',
          format: 'text',
          mimetype: 'application/json',
          content: JSON.stringify(model.content, null, 1)
        }
      : model;
  }

  async getDownloadUrl(localPath: string): Promise<string> {
    const [id, path] = split(localPath);
    return this._api.downloadUrl(id, path);
  }

  newUntitled(): Promise<Contents.IModel> {
    return refuse();
  }

  delete(): Promise<void> {
    return refuse();
  }

  rename(): Promise<Contents.IModel> {
    return refuse();
  }

  save(): Promise<Contents.IModel> {
    return refuse();
  }

  copy(): Promise<Contents.IModel> {
    return refuse();
  }

  createCheckpoint(): Promise<Contents.ICheckpointModel> {
    return refuse();
  }

  async listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return [];
  }

  restoreCheckpoint(): Promise<void> {
    return refuse();
  }

  deleteCheckpoint(): Promise<void> {
    return refuse();
  }

  private _isDisposed = false;
  private _fileChanged = new Signal<this, Contents.IChangedArgs>(this);
}

function split(localPath: string): [string, string] {
  const [id, ...rest] = localPath.replace(/^\/+/, '').split('/');
  return [id, rest.join('/')];
}

function directory(path: string, content: Contents.IModel[]): Contents.IModel {
  const never = new Date(0).toISOString();
  return {
    name: path,
    path,
    type: 'directory',
    created: never,
    last_modified: never,
    writable: false,
    mimetype: '',
    format: 'json',
    content
  };
}

function refuse(): Promise<never> {
  return Promise.reject(
    new Error('A job directory is only read here; use “Save as” to keep a copy elsewhere.')
  );
}
