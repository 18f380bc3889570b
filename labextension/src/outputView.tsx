import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import React, { useEffect, useRef, useState } from 'react';

import { ErrorNote, Loading } from './components';
import { useRepeated } from './hooks';
import type { INotebookTools } from './notebookView';
import { NotebookView } from './notebookView';
import { normalise } from './normalise';
import { isFinal } from './states';
import type { IUnattended } from './tokens';
import type { IJob } from './types';

/** Milliseconds between two looks at the notebook of a job that runs. */
const INTERVAL = 2000;

/** The executed notebook, drawn by JupyterLab's own renderers, as it grows. */
export function OutputView(props: {
  shared: IUnattended;
  job: IJob;
  tools: INotebookTools;
  visible: boolean;
  open: (path: string) => void;
}): JSX.Element {
  const { shared, job, tools, visible } = props;
  const { api, trans } = shared;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<NotebookView | null>(null);
  const version = useRef('');
  const [state, setState] = useState<'loading' | 'shown'>('loading');
  const [error, setError] = useState<string | null>(null);
  const ended = isFinal(job.state);

  useEffect(() => {
    const made = new NotebookView(tools);
    view.current = made;
    version.current = '';
    setState('loading');
    Widget.attach(made, host.current as HTMLElement);
    const observer = new ResizeObserver(() => {
      if (made.isAttached) {
        MessageLoop.postMessage(made, Widget.ResizeMessage.UnknownSize);
      }
    });
    observer.observe(host.current as HTMLElement);
    return () => {
      observer.disconnect();
      view.current = null;
      made.dispose();
    };
  }, [tools, job.id]);

  useRepeated(
    async () => {
      try {
        const answer = await api.output(job.id, version.current);
        setError(null);
        if (answer.notebook !== null && view.current !== null) {
          view.current.display(normalise(answer.notebook));
          version.current = answer.version;
          setState('shown');
        }
        // One more look after the end, for what was written last.
        return !(ended && answer.notebook === null);
      } catch (problem) {
        setError((problem as Error).message);
        throw problem;
      }
    },
    INTERVAL,
    visible,
    [job.id, ended]
  );

  const file = version.current.startsWith('output.ipynb') ? 'output.ipynb' : 'notebook.ipynb';
  return (
    <div className="jp-Unattended-output">
      <div className="jp-Unattended-bar">
        <span>
          {state === 'loading'
            ? ''
            : file === 'output.ipynb'
              ? ended
                ? trans.__('The notebook as it was executed.')
                : trans.__('The notebook as far as it has been executed.')
              : trans.__('Not executed yet: this is the notebook as it was submitted.')}
        </span>
        <button className="jp-mod-styled jp-mod-reject" onClick={() => props.open(file)}>
          {trans.__('Open as a file')}
        </button>
      </div>
      {error !== null && <ErrorNote message={error} trans={trans} />}
      {state === 'loading' && error === null && (
        <Loading what={trans.__('Reading the notebook…')} />
      )}
      <div ref={host} className="jp-Unattended-notebookHost" />
    </div>
  );
}
