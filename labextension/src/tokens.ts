import type { TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';

import type { Api } from './api';
import type { JobsModel } from './model';

/** What all plugins of this extension share. */
export interface IUnattended {
  readonly api: Api;
  readonly model: JobsModel;
  readonly trans: TranslationBundle;
}

export const IUnattended = new Token<IUnattended>(
  'jupyter-unattended:IUnattended',
  'The unattended jobs of the user.'
);

/** All commands, by what they do; arguments are in commands.ts. */
export const CommandIDs = {
  run: 'unattended:run',
  open: 'unattended:open-job',
  panel: 'unattended:show-jobs',
  pause: 'unattended:pause',
  resume: 'unattended:resume',
  cancel: 'unattended:cancel',
  rerun: 'unattended:rerun',
  clone: 'unattended:clone',
  delete: 'unattended:delete',
  download: 'unattended:download',
  compare: 'unattended:compare',
  openNotebook: 'unattended:open-notebook',
  moveFirst: 'unattended:move-first',
  allowNotifications: 'unattended:allow-notifications',
  refresh: 'unattended:refresh'
} as const;

/** Translations are looked up under this name. */
export const DOMAIN = 'jupyter_unattended';
