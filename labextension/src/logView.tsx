import React, { useEffect, useReducer, useRef, useState } from 'react';

import type { Line } from './ansi';
import { AnsiParser } from './ansi';
import { Empty, ErrorNote, Loading } from './components';
import { formatSize } from './format';
import type { IUnattended } from './tokens';
import type { IJob } from './types';
import { VirtualList } from './virtual';

const LINE_HEIGHT = 18;
/** Of a longer log, the end is shown first. */
const SHOWN_FIRST = 2 << 20;
/** Seconds that the server may hold back an answer until there is more. */
const WAIT = 20;

interface ILogViewProps {
  shared: IUnattended;
  job: IJob;
  /** Number of the attempt to show. */
  attempt: number;
  visible: boolean;
}

/** One attempt's log, as it grows: read from where one stopped, so nothing is lost or repeated. */
export function LogView(props: ILogViewProps): JSX.Element {
  const { shared, job, attempt, visible } = props;
  const { api, trans } = shared;
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [follow, setFollow] = useState(true);
  const [error, setError] = useState<string | null>(null);
  const [fromStart, setFromStart] = useState(false);
  const [search, setSearch] = useState('');
  const log = useRef(new Reader());

  useEffect(() => {
    log.current = new Reader();
    setError(null);
    redraw();
  }, [job.id, attempt, fromStart]);

  useEffect(() => {
    if (!visible || attempt === 0) {
      return undefined;
    }
    const stop = new AbortController();
    const read = async () => {
      const reader = log.current;
      let pause = 500;
      while (!stop.signal.aborted && !reader.ended) {
        try {
          if (!reader.begun) {
            const probe = await api.log(job.id, { attempt, offset: 0, limit: 4 }, stop.signal);
            reader.begin(fromStart ? 0 : Math.max(0, probe.size - SHOWN_FIRST));
          }
          const { offset } = reader;
          const wait = reader.drawn ? WAIT : 0;
          const chunk = await api.log(job.id, { attempt, offset, wait }, stop.signal);
          if (stop.signal.aborted) {
            return;
          }
          reader.take(chunk.text, chunk.offset);
          reader.ended = chunk.last;
          reader.drawn = chunk.offset >= chunk.size;
          setError(null);
          redraw();
          pause = 500;
        } catch (problem) {
          if (stop.signal.aborted) {
            return;
          }
          setError((problem as Error).message);
          await new Promise(resolve => window.setTimeout(resolve, pause));
          pause = Math.min(pause * 2, 10000);
        }
      }
    };
    void read();
    return () => stop.abort();
  }, [api, job.id, attempt, visible, fromStart]);

  const reader = log.current;
  const lines = reader.lines;
  const shown = search
    ? lines.filter(line => text(line).toLowerCase().includes(search.toLowerCase()))
    : lines;
  if (attempt === 0) {
    return <Empty>{trans.__('Nothing has been written yet: the job has not started.')}</Empty>;
  }
  return (
    <div className="jp-Unattended-log">
      <div className="jp-Unattended-logBar">
        <input
          type="text"
          className="jp-mod-styled"
          placeholder={trans.__('Show lines with…')}
          aria-label={trans.__('Show only lines of the log with this text')}
          value={search}
          onChange={event => setSearch(event.target.value)}
        />
        <span className="jp-Unattended-logInfo">
          {reader.skipped > 0 && (
            <>
              {trans.__('The first %1 are not shown.', formatSize(reader.skipped))}{' '}
              <button className="jp-Unattended-link" onClick={() => setFromStart(true)}>
                {trans.__('Show all')}
              </button>
            </>
          )}
        </span>
        <label>
          <input
            type="checkbox"
            checked={follow}
            onChange={event => setFollow(event.target.checked)}
          />
          {trans.__('Follow')}
        </label>
      </div>
      {error !== null && <ErrorNote message={error} trans={trans} />}
      {shown.length > 0 ? (
        <VirtualList
          className="jp-Unattended-lines jp-RenderedText"
          count={shown.length}
          rowHeight={LINE_HEIGHT}
          follow={follow}
          onFollowChange={setFollow}
          wide
          containerProps={{ role: 'log', 'aria-label': trans.__('Log'), tabIndex: 0 }}
          row={i => (
            <pre key={i} className="jp-Unattended-logLine" style={{ height: LINE_HEIGHT }}>
              {shown[i].map((piece, j) => (
                <span
                  key={j}
                  className={piece.classes}
                  style={{ color: piece.color, backgroundColor: piece.background }}
                >
                  {piece.text}
                </span>
              ))}
            </pre>
          )}
        />
      ) : !reader.drawn && error === null ? (
        <Loading what={trans.__('Reading the log…')} />
      ) : (
        <Empty>
          {search
            ? trans.__('No line has “%1”.', search)
            : reader.ended
              ? trans.__('This attempt wrote nothing.')
              : trans.__('Nothing has been written yet.')}
        </Empty>
      )}
    </div>
  );
}

/** What has been read of one log. */
class Reader {
  offset = 0;
  begun = false;
  /** Whether all that was there at the last look has been taken in. */
  drawn = false;
  ended = false;
  /** Bytes at the beginning that were passed over. */
  skipped = 0;

  begin(offset: number): void {
    this.begun = true;
    this.offset = this.skipped = offset;
    this._dropFirst = offset > 0;
  }

  take(piece: string, offset: number): void {
    this.offset = offset;
    if (this._dropFirst) {
      // We came in the middle of a line.
      const end = piece.indexOf('\n');
      if (end < 0) {
        return;
      }
      piece = piece.slice(end + 1);
      this._dropFirst = false;
    }
    this._parser.write(piece);
    this._lines = null;
  }

  get lines(): readonly Line[] {
    if (this._lines === null) {
      const { lines, current } = this._parser;
      this._lines = current.length ? [...lines, current] : lines.slice();
    }
    return this._lines;
  }

  private _parser = new AnsiParser();
  private _lines: readonly Line[] | null = null;
  private _dropFirst = false;
}

function text(line: Line): string {
  return line.map(piece => piece.text).join('');
}
