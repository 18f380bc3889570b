import type * as nbformat from '@jupyterlab/nbformat';

/**
 * A notebook as it is on disk, where texts are lists of lines, into one as JupyterLab's models want
 * it. (The Contents API does the same; job directories do not come through it.)
 */
export function normalise(notebook: nbformat.INotebookContent): nbformat.INotebookContent {
  return { ...notebook, cells: notebook.cells.map(cell) };
}

function cell(one: nbformat.ICell): nbformat.ICell {
  const joined = { ...one, source: text(one.source) };
  return Array.isArray(one.outputs)
    ? { ...joined, outputs: (one.outputs as nbformat.IOutput[]).map(output) }
    : joined;
}

function output(one: nbformat.IOutput): nbformat.IOutput {
  if (one.output_type === 'stream') {
    return { ...one, text: text(one.text) };
  }
  if (one.data && typeof one.data === 'object') {
    const data = Object.entries(one.data).map(([type, value]) => [
      type,
      // A list in JSON data is a list.
      /[/+]json$/.test(type) ? value : text(value)
    ]);
    return { ...one, data: Object.fromEntries(data) };
  }
  return one;
}

function text(value: unknown): any {
  return Array.isArray(value) && value.every(line => typeof line === 'string')
    ? value.join('')
    : value;
}
