import type { ICodeCellModel } from '@jupyterlab/cells';
import type { IEditorMimeTypeService } from '@jupyterlab/codeeditor';
import type * as nbformat from '@jupyterlab/nbformat';
import type { Notebook } from '@jupyterlab/notebook';
import { NotebookModel, StaticNotebook } from '@jupyterlab/notebook';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { JSONExt } from '@lumino/coreutils';
import { PanelLayout, Widget } from '@lumino/widgets';

/** What drawing a notebook needs from JupyterLab. */
export interface INotebookTools {
  readonly rendermime: IRenderMimeRegistry;
  readonly contentFactory: Notebook.IContentFactory;
  readonly mimeTypeService: IEditorMimeTypeService;
}

/** An executed notebook, to be read; it can be given newer versions of itself while it grows. */
export class NotebookView extends Widget {
  constructor(tools: INotebookTools) {
    super();
    this.addClass('jp-Unattended-notebook');
    this._model = new NotebookModel();
    this._notebook = new StaticNotebook({
      rendermime: tools.rendermime.clone(),
      contentFactory: tools.contentFactory,
      mimeTypeService: tools.mimeTypeService,
      editorConfig: {
        ...StaticNotebook.defaultEditorConfig,
        code: { ...StaticNotebook.defaultEditorConfig.code, readOnly: true },
        markdown: { ...StaticNotebook.defaultEditorConfig.markdown, readOnly: true },
        raw: { ...StaticNotebook.defaultEditorConfig.raw, readOnly: true }
      },
      notebookConfig: { ...StaticNotebook.defaultNotebookConfig, windowingMode: 'none' }
    });
    this._notebook.node.tabIndex = 0;
    this._notebook.addClass('jp-Notebook');
    const layout = (this.layout = new PanelLayout());
    layout.addWidget(this._notebook);
  }

  /** Show `content`, changing only the cells that differ from what is shown. */
  display(content: nbformat.INotebookContent): void {
    if (this._shown === null || !sameCells(this._shown, content)) {
      this._model.readOnly = false;
      this._model.fromJSON(content);
      if (this._notebook.model === null) {
        this._notebook.model = this._model;
      }
      this._model.readOnly = true;
      this._shown = content;
      return;
    }
    const before = this._shown;
    this._shown = content;
    content.cells.forEach((cell, index) => {
      const old = before.cells[index];
      if (cell.cell_type !== 'code' || JSONExt.deepEqual(cell as any, old as any)) {
        return;
      }
      const model = this._model.cells.get(index) as ICodeCellModel;
      model.executionCount = (cell.execution_count as number | null) ?? null;
      updateOutputs(
        model.outputs,
        old.outputs as nbformat.IOutput[],
        cell.outputs as nbformat.IOutput[]
      );
    });
  }

  dispose(): void {
    if (!this.isDisposed) {
      super.dispose();
      this._model.dispose();
    }
  }

  private _model: NotebookModel;
  private _notebook: StaticNotebook;
  private _shown: nbformat.INotebookContent | null = null;
}

/** Whether two notebooks differ in outputs at most. */
function sameCells(a: nbformat.INotebookContent, b: nbformat.INotebookContent): boolean {
  return (
    a.cells.length === b.cells.length &&
    a.cells.every(
      (cell, i) =>
        cell.cell_type === b.cells[i].cell_type &&
        JSONExt.deepEqual(cell.source as any, b.cells[i].source as any)
    )
  );
}

/** Change only what differs, so that what the reader looks at does not jump. */
function updateOutputs(
  model: IOutputAreaModel,
  before: readonly nbformat.IOutput[],
  after: readonly nbformat.IOutput[]
): void {
  if (model.length !== before.length || after.length < before.length) {
    model.fromJSON([...after]);
    return;
  }
  after.forEach((output, i) => {
    if (i >= before.length) {
      model.add(output);
    } else if (!JSONExt.deepEqual(output as any, before[i] as any)) {
      model.set(i, output);
    }
  });
}
