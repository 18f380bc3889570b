import type { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useId, useRef, useState } from 'react';

import type { IImages, IImageState } from './images';
import { isMaking, phaseWords } from './images';

const PAUSE = 700;
const LINES = 12;

/** Makes an image for the notebook, and shows how far that is. */
export function ImageMaker(props: {
  images: IImages;
  trans: TranslationBundle;
  /** Take the image with this name. */
  use: (name: string) => void;
}): JSX.Element {
  const { images, trans, use } = props;
  const [state, setState] = useState<IImageState | null>(null);
  const [base, setBase] = useState('python');
  const [error, setError] = useState('');
  const id = useId();
  const latest = useRef({ use, wasMaking: false });
  latest.current.use = use;
  const isRunning = isMaking(state);

  useEffect(() => {
    let timer = 0;
    let gone = false;
    const look = async () => {
      try {
        const found = await images.look();
        if (gone) {
          return;
        }
        setState(found);
        if (isMaking(found)) {
          latest.current.wasMaking = true;
          timer = window.setTimeout(look, PAUSE);
        } else if (latest.current.wasMaking) {
          latest.current.wasMaking = false;
          if (found.phase === 'done' && found.image) {
            latest.current.use(found.image.name);
          }
        }
      } catch (problem) {
        setError((problem as Error).message);
        timer = window.setTimeout(look, 5 * PAUSE);
      }
    };
    void look();
    return () => {
      gone = true;
      window.clearTimeout(timer);
    };
  }, [images, isRunning]);

  const act = async (work: () => Promise<unknown>) => {
    setError('');
    try {
      await work();
    } catch (problem) {
      setError((problem as Error).message);
    }
  };
  const began = state !== null && state.phase !== 'none';
  return (
    <div className="jp-Unattended-maker">
      <div className="jp-Unattended-makerRow">
        <label htmlFor={id}>{trans.__('Made from')}</label>
        <input
          id={id}
          className="jp-mod-styled"
          list={`${id}-bases`}
          value={base}
          disabled={isRunning}
          spellCheck={false}
          title={trans.__(
            'python, ml (the PyTorch or TensorFlow project’s own image), or the name of an image'
          )}
          onChange={event => setBase(event.target.value)}
        />
        <datalist id={`${id}-bases`}>
          <option value="python" />
          <option value="ml" />
        </datalist>
        {isRunning ? (
          <button
            type="button"
            className="jp-mod-styled jp-mod-reject"
            onClick={() => act(() => images.cancel())}
          >
            {trans.__('Stop making it')}
          </button>
        ) : (
          <button
            type="button"
            className="jp-mod-styled jp-mod-accept"
            onClick={() => act(async () => setState(await images.make(base.trim() || 'python')))}
          >
            {trans.__('Make and try it')}
          </button>
        )}
      </div>
      {error && (
        <div className="jp-Unattended-fieldError" role="alert">
          {error}
        </div>
      )}
      {began && <Progress state={state} trans={trans} />}
      {began && !isRunning && <Outcome state={state} trans={trans} />}
    </div>
  );
}

function Progress(props: { state: IImageState; trans: TranslationBundle }): JSX.Element {
  const { state, trans } = props;
  const isBad = state.phase === 'failed' || state.phase === 'lacking';
  return (
    <>
      {isMaking(state) && (
        <progress
          aria-label={trans.__('Progress of the image')}
          max={state.step ? state.step.total + 1 : undefined}
          value={
            state.phase === 'trying'
              ? (state.step?.total ?? 0)
              : state.step
                ? state.step.number - 1
                : undefined
          }
        />
      )}
      <div
        className={isBad ? 'jp-Unattended-fieldError' : 'jp-Unattended-makerWords'}
        role={isBad ? 'alert' : 'status'}
      >
        {phaseWords(state, trans)}
      </div>
      {state.phase === 'building' && (state.lines?.length ?? 0) > 0 && (
        <pre className="jp-Unattended-makerLog">{state.lines?.slice(-LINES).join('\n')}</pre>
      )}
    </>
  );
}

/** What is missing, with the line to add, and what ties the notebook to this machine. */
function Outcome(props: { state: IImageState; trans: TranslationBundle }): JSX.Element {
  const { state, trans } = props;
  const lacks = state.trial?.lacks ?? [];
  const ties = state.made?.ties ?? [];
  const isKept = state.made?.kept.includes('Containerfile') ?? false;
  return (
    <>
      <ul className="jp-Unattended-makerList">
        {lacks.map((lack, i) => (
          <li key={`lack-${i}`}>
            {lack.message}
            {lack.line && (
              <>
                {' '}
                {trans.__('Add to %1:', lack.where)} <code>{lack.line}</code>
              </>
            )}
          </li>
        ))}
        {isKept && (
          <li>{trans.__('The Containerfile beside the notebook was there and is kept.')}</li>
        )}
        {ties.map((tie, i) => (
          <li key={`tie-${i}`}>
            {tie.message}
            {(tie.option || tie.fix) && (
              <>
                {': '}
                <code>{tie.option || tie.fix}</code>
              </>
            )}
          </li>
        ))}
      </ul>
      {state.log && state.phase !== 'cancelled' && (
        <div className="jp-Unattended-makerWords">
          {trans.__('The builder’s log: %1', state.log)}
        </div>
      )}
    </>
  );
}
