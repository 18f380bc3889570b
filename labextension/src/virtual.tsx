import React, { useLayoutEffect, useRef, useState } from 'react';

import { useSize } from './hooks';

interface IVirtualListProps {
  /** How many rows there are. */
  count: number;
  /** Height of each row in pixels. */
  rowHeight: number;
  /** Draws one row; it is put into a box of the row's height. */
  row: (index: number) => React.ReactNode;
  className?: string;
  /** The row that the keyboard is on. */
  focused?: number;
  /** How often the keyboard has moved it; it is brought into view then, not when rows are added. */
  moves?: number;
  /** Stay at the end while rows are added, until the reader scrolls away from it. */
  follow?: boolean;
  onFollowChange?: (follow: boolean) => void;
  /** As wide as the widest row seen, with a horizontal scroll bar. */
  wide?: boolean;
  containerProps?: React.HTMLAttributes<HTMLDivElement>;
}

/** Rows beyond the visible ones that are drawn, so that scrolling shows no gap. */
const SPARE = 8;
/** Browsers cannot scroll further than some tens of millions of pixels. */
const TALLEST = 8_000_000;

/** A list of rows of equal height, of which only those in view are in the document. */
export function VirtualList(props: IVirtualListProps): JSX.Element {
  const { count, rowHeight, follow, onFollowChange, focused } = props;
  const [ref, , height] = useSize<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const total = count * rowHeight;
  const tall = Math.min(total, TALLEST);
  // Beyond what a browser can scroll, positions are scaled.
  const scale = tall > height && total > height ? (total - height) / (tall - height) : 1;
  const first = Math.max(0, Math.floor((top * scale) / rowHeight) - SPARE);
  const last = Math.min(count, Math.ceil((top * scale + height) / rowHeight) + SPARE);
  const expected = useRef(0);

  useLayoutEffect(() => {
    const element = ref.current;
    if (follow && element !== null) {
      expected.current = Math.max(0, tall - element.clientHeight);
      element.scrollTop = expected.current;
    }
  }, [follow, tall, height, ref]);

  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null || focused === undefined || focused < 0) {
      return;
    }
    const [from, to] = [focused * rowHeight, (focused + 1) * rowHeight];
    if (from < element.scrollTop) {
      element.scrollTop = from;
    } else if (to > element.scrollTop + element.clientHeight) {
      element.scrollTop = to - element.clientHeight;
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- see moves
  }, [props.moves, rowHeight, ref]);

  const onScroll = (event: React.UIEvent<HTMLDivElement>) => {
    const element = event.currentTarget;
    setTop(element.scrollTop);
    const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - rowHeight;
    if (onFollowChange && follow !== atEnd && element.scrollTop !== expected.current) {
      onFollowChange(atEnd);
    }
  };

  const rows: React.ReactNode[] = [];
  for (let index = first; index < last; index++) {
    rows.push(props.row(index));
  }
  return (
    <div
      {...props.containerProps}
      ref={ref}
      className={`jp-Unattended-virtual ${props.className ?? ''}`}
      onScroll={onScroll}
    >
      <div
        className="jp-Unattended-virtualSize"
        role="presentation"
        style={{ height: tall, width: props.wide ? 'max-content' : '100%', minWidth: '100%' }}
      >
        <div
          role="presentation"
          style={{
            transform: `translateY(${first * rowHeight - top * scale + top}px)`,
            minWidth: '100%'
          }}
        >
          {rows}
        </div>
      </div>
    </div>
  );
}
