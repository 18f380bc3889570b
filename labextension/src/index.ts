import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-unattended:plugin',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => undefined && app
};
export default plugin;
