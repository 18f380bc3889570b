import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStateDB } from '@jupyterlab/statedb';
import { MainAreaWidget } from '@jupyterlab/apputils';
import { UUID } from '@lumino/coreutils';

import { announce } from './commands';
import type { IFormHost } from './formWidget';
import { FormWidget } from './formWidget';
import { unattendedIcon } from './icons';
import { plainPath } from './paths';
import { place } from './place';
import { CommandIDs, IUnattended } from './tokens';
import type { FormTarget, IFinding } from './types';

/** A notebook's panel must be this wide for the form to stand beside it. */
const WIDE = 900;

/** The button and the form. Its id is that of the settings schema, plugin.json. */
export const runPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-unattended:plugin',
  description: 'Submits the notebook in front: the button, the command and the form.',
  autoStart: true,
  requires: [IUnattended],
  optional: [INotebookTracker, IDefaultFileBrowser, ICommandPalette, IStateDB],
  activate: (
    app: JupyterFrontEnd,
    shared: IUnattended,
    notebooks: INotebookTracker | null,
    browser: IDefaultFileBrowser | null,
    palette: ICommandPalette | null,
    state: IStateDB | null
  ) => {
    const { commands, shell } = app;
    const { model, trans } = shared;
    const forms = new Map<string, MainAreaWidget<FormWidget>>();

    const panelOf = (path: string): NotebookPanel | undefined =>
      notebooks?.find(panel => plainPath(panel.context.path) === plainPath(path));

    /** The notebook that a command without a path is about. */
    const currentPath = (args: { path?: unknown; fromFileBrowser?: unknown }): string | null => {
      if (typeof args.path === 'string' && args.path) {
        return args.path;
      }
      if (args.fromFileBrowser) {
        const items = browser ? [...browser.selectedItems()] : [];
        const item = items.find(one => one.type === 'notebook');
        return item?.path ?? null;
      }
      const panel = notebooks?.currentWidget;
      return panel && !panel.isDisposed ? panel.context.path : null;
    };

    const showForm = (target: FormTarget, name: string, path: string | null) => {
      const key = 'job' in target ? `job:${target.job}` : plainPath(target.notebook);
      const open = forms.get(key);
      if (open !== undefined && !open.isDisposed) {
        shell.activateById(open.id);
        return;
      }
      const panel = path === null ? undefined : panelOf(path);
      const host: IFormHost = {
        save: () => save(path === null ? undefined : panelOf(path)),
        showCell: finding => void showCell(finding, path),
        submitted: job => announce(app, shared, job, job.runs)
      };
      const content = new FormWidget(target, name, shared, host, state);
      const widget = new MainAreaWidget({ content });
      widget.toolbar.hide();
      widget.id = `jupyter-unattended-form-${UUID.uuid4()}`;
      widget.title.closable = true;
      forms.set(key, widget);

      // What is on disk is what runs: after every save the form is made anew.
      const onSaved = (_: DocumentRegistry.Context, status: DocumentRegistry.SaveState) => {
        if (status === 'completed') {
          content.refresh();
        }
      };
      if ('notebook' in target) {
        panel?.context.saveState.connect(onSaved);
      }
      content.disposed.connect(() => {
        forms.delete(key);
        panel?.context.saveState.disconnect(onSaved);
        widget.dispose();
      });
      const beside = panel !== undefined && panel.isVisible && panel.node.clientWidth >= WIDE;
      place(app, widget, beside ? { mode: 'split-right', ref: panel.id } : {});
    };

    const showCell = async (finding: IFinding, path: string | null) => {
      if (path === null || finding.cell === null) {
        return;
      }
      const panel =
        panelOf(path) ??
        ((await commands.execute('docmanager:open', { path })) as NotebookPanel | undefined);
      if (panel === undefined) {
        return;
      }
      await panel.context.ready;
      shell.activateById(panel.id);
      const { content } = panel;
      content.activeCellIndex = finding.cell;
      await content.scrollToItem(finding.cell, 'center');
      const cell = content.activeCell;
      if (cell !== null && finding.line !== null) {
        content.mode = 'edit';
        await cell.ready;
        cell.editor?.setCursorPosition({ line: Math.max(0, finding.line - 1), column: 0 });
        cell.editor?.focus();
      }
    };

    commands.addCommand(CommandIDs.run, {
      label: args => (args['isMenu'] ? trans.__('Run Unattended…') : trans.__('Run unattended')),
      caption: trans.__('Run this notebook as a job that goes on without the browser'),
      icon: args => (args['isPalette'] ? undefined : unattendedIcon),
      isEnabled: args => currentPath(args) !== null,
      isVisible: args => !args['fromFileBrowser'] || currentPath(args) !== null,
      execute: async args => {
        const path = currentPath(args);
        if (path === null) {
          return;
        }
        await save(panelOf(path));
        showForm({ notebook: path }, PathExt.basename(path), path);
      }
    });

    commands.addCommand(CommandIDs.clone, {
      label: trans.__('Clone and Edit…'),
      caption: trans.__('Submit the job’s notebook, as it was then, with other values'),
      isEnabled: args => args['ids'] !== undefined || args['id'] !== undefined,
      execute: args => {
        const [id] = (args['ids'] as string[] | undefined) ?? [args['id'] as string];
        const job = model.get(id);
        if (job !== undefined) {
          showForm({ job: id }, job.name, job.notebook_path);
        }
      }
    });

    if (notebooks !== null) {
      const changed = () => commands.notifyCommandChanged(CommandIDs.run);
      notebooks.currentChanged.connect(changed);
    }
    palette?.addItem({
      command: CommandIDs.run,
      category: trans.__('Notebook Operations'),
      args: { isPalette: true }
    });
  }
};

/** Write a notebook to disk if it has unsaved changes. */
async function save(panel: NotebookPanel | undefined): Promise<void> {
  if (panel !== undefined && !panel.isDisposed) {
    await panel.context.ready;
    if (panel.context.model.dirty) {
      await panel.context.save();
    }
  }
}
