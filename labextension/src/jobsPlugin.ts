import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { IEditorServices } from '@jupyterlab/codeeditor';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { addJobCommands } from './commands';
import { CompareWidget } from './compareWidget';
import { DRIVE, JobsDrive } from './drive';
import type { View } from './jobWidget';
import { JobWidget } from './jobWidget';
import { JobsPanel } from './panel';
import { plainPath } from './paths';
import { hasTabs, place } from './place';
import { CommandIDs, IUnattended } from './tokens';

/** The panel of all jobs, a tab for each job, and the commands on jobs. */
export const jobsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-unattended:jobs',
  description: 'The panel of unattended jobs and the tabs that show them.',
  autoStart: true,
  requires: [IUnattended, IRenderMimeRegistry, NotebookPanel.IContentFactory, IEditorServices],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, INotebookTracker],
  activate: (
    app: JupyterFrontEnd,
    shared: IUnattended,
    rendermime: IRenderMimeRegistry,
    contentFactory: NotebookPanel.IContentFactory,
    editors: IEditorServices,
    labShell: ILabShell | null,
    layout: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null
  ) => {
    const { commands, shell } = app;
    const { trans, api } = shared;
    // A tab of Notebook 7 is about its notebook: it does not open what another one had open.
    const restorer = hasTabs(app) ? layout : null;
    app.serviceManager.contents.addDrive(new JobsDrive(api));
    const tools = { rendermime, contentFactory, mimeTypeService: editors.mimeTypeService };

    const panel = new JobsPanel(shared, commands);
    shell.add(panel, 'left', { rank: 600, type: 'Unattended jobs' });
    restorer?.add(panel, panel.id);
    if (notebooks !== null) {
      const follow = () => {
        const path = notebooks.currentWidget?.context.path;
        panel.notebook = path === undefined ? null : plainPath(path);
      };
      notebooks.currentChanged.connect(follow);
      follow();
    }

    const tracker = new WidgetTracker<MainAreaWidget<JobWidget>>({
      namespace: 'jupyter-unattended-job'
    });
    const openFile = (id: string) => (path: string) =>
      void commands.execute('docmanager:open', { path: `${DRIVE}:${id}/${path}` });

    commands.addCommand(CommandIDs.open, {
      label: trans.__('Open Job'),
      isEnabled: args => args['id'] !== undefined || panel.selection.length > 0,
      execute: args => {
        const id = (args['id'] as string | undefined) ?? panel.selection[0];
        if (id === undefined) {
          return;
        }
        let widget = tracker.find(one => one.content.jobId === id);
        if (widget === undefined || widget.isDisposed) {
          const view = args['view'] as View | undefined;
          const content = new JobWidget(id, shared, commands, tools, openFile(id), view);
          widget = new MainAreaWidget({ content });
          widget.toolbar.hide();
          widget.id = `${content.id}-tab`;
          const made = widget;
          content.viewChanged.connect(() => void tracker.save(made));
        }
        if (!tracker.has(widget)) {
          void tracker.add(widget);
        }
        place(app, widget);
      }
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.open,
      args: widget => ({ id: widget.content.jobId, view: widget.content.view }),
      name: widget => widget.content.jobId
    });

    commands.addCommand(CommandIDs.panel, {
      label: trans.__('Unattended Jobs'),
      caption: trans.__('Show the panel of unattended jobs'),
      execute: () => shell.activateById(panel.id)
    });

    const compares = new WidgetTracker<MainAreaWidget<CompareWidget>>({
      namespace: 'jupyter-unattended-compare'
    });
    commands.addCommand(CommandIDs.compare, {
      label: trans.__('Compare'),
      caption: trans.__('Put what differs between these jobs, and their metrics, side by side'),
      isEnabled: args => ((args['ids'] as string[]) ?? panel.selection).length > 1,
      execute: args => {
        const ids = (args['ids'] as string[] | undefined) ?? [...panel.selection];
        const open = (id: string) => void commands.execute(CommandIDs.open, { id });
        const content = new CompareWidget(ids, shared, open);
        const existing = compares.find(one => one.content.id === content.id);
        if (existing !== undefined) {
          content.dispose();
          shell.activateById(existing.id);
          return;
        }
        const widget = new MainAreaWidget({ content });
        widget.toolbar.hide();
        widget.id = `${content.id}-tab`;
        void compares.add(widget);
        place(app, widget);
      }
    });
    void restorer?.restore(compares, {
      command: CommandIDs.compare,
      args: widget => ({ ids: [...widget.content.ids] }),
      name: widget => widget.content.ids.join('-')
    });

    // A command from a menu or the palette is about the job in front, or what the panel marks.
    addJobCommands(app, shared, () => {
      const front = labShell?.currentWidget ?? shell.currentWidget;
      const current = tracker.currentWidget;
      const inFront = current !== null && front === current && !panel.node.contains(focus());
      return inFront ? [current.content.jobId] : panel.selection;
    });
    panel.selectionChanged.connect(() => commands.notifyCommandChanged());

    for (const command of [
      CommandIDs.panel,
      CommandIDs.refresh,
      CommandIDs.allowNotifications,
      CommandIDs.pause,
      CommandIDs.resume,
      CommandIDs.cancel,
      CommandIDs.rerun
    ]) {
      palette?.addItem({ command, category: trans.__('Unattended Jobs') });
    }
  }
};

function focus(): Element | null {
  return document.activeElement;
}
