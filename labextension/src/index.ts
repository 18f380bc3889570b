/** "Run unattended" in JupyterLab: a button, a form, and the jobs, live. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { version } from '../../package.json';
import type { ApiError } from './api';
import { Api } from './api';
import { jobsPlugin } from './jobsPlugin';
import { JobsModel } from './model';
import { runPlugin } from './runPlugin';
import { notificationPlugin, runningPlugin, statusPlugin } from './shellPlugins';
import { DOMAIN, IUnattended } from './tokens';

/** The jobs, for all other plugins; and the check that both sides are of one version. */
const modelPlugin: JupyterFrontEndPlugin<IUnattended> = {
  id: 'jupyter-unattended:model',
  description: 'Keeps the list of unattended jobs up to date.',
  autoStart: true,
  provides: IUnattended,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const api = new Api(app.serviceManager.serverSettings);
    const model = new JobsModel(api, app.serviceManager.events);
    const warn = (message: string) => void Notification.warning(message, { autoClose: false });
    api.status().then(
      status => {
        if (status.version !== version) {
          warn(
            trans.__(
              'Unattended jobs: this page has version %1 and the server %2. Restart the server, then reload the page.',
              version,
              status.version
            )
          );
        }
      },
      (error: ApiError) => {
        if (error.status === 404) {
          warn(
            trans.__(
              'Unattended jobs: the server’s side is not running. Enable it with “jupyter server extension enable jupyter_unattended” and restart the server.'
            )
          );
        }
      }
    );
    return { api, model, trans };
  }
};

export { IUnattended } from './tokens';

const plugins: JupyterFrontEndPlugin<any>[] = [
  modelPlugin,
  runPlugin,
  jobsPlugin,
  runningPlugin,
  statusPlugin,
  notificationPlugin
];
export default plugins;
