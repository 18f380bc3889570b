import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { MainAreaWidget } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';

/**
 * Show a widget of ours, in a tab where the application has tabs.
 *
 * Notebook 7 shows one document in each browser tab, and silently drops a second one. There the
 * widget stands in the panel on the right, beside the notebook.
 */
export function place(
  app: JupyterFrontEnd,
  widget: MainAreaWidget,
  options: DocumentRegistry.IOpenOptions = {}
): void {
  const { shell } = app;
  if (!widget.isAttached) {
    if (hasTabs(app)) {
      shell.add(widget, 'main', options);
    } else {
      widget.addClass('jp-Unattended-aside');
      widget.title.caption = widget.title.label;
      shell.add(widget, 'right', { rank: 100 });
      widget.disposed.connect(() => (shell as Partial<ISidePanels>).collapseRight?.());
    }
  }
  shell.activateById(widget.id);
}

/** Whether the main area holds more than one widget. */
export function hasTabs(app: JupyterFrontEnd): boolean {
  return app.name !== 'Jupyter Notebook';
}

/** What Notebook 7's shell offers, and its interface does not say. */
interface ISidePanels {
  collapseRight(): void;
}
