import type React from 'react';
import { useEffect, useReducer, useRef, useState } from 'react';

import type { ISignal } from '@lumino/signaling';

/** Draw again whenever the signal is emitted. */
export function useSignal(signal: ISignal<any, any>): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    signal.connect(redraw);
    return () => {
      signal.disconnect(redraw);
    };
  }, [signal]);
}

/** Draw again every so many seconds while `active`, for what changes with the clock. */
export function useTick(seconds: number, active: boolean): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!active) {
      return undefined;
    }
    const timer = window.setInterval(redraw, seconds * 1000);
    return () => window.clearInterval(timer);
  }, [seconds, active]);
}

/** The size of an element, kept up to date. */
export function useSize<T extends HTMLElement>(): [React.RefObject<T>, number, number] {
  const ref = useRef<T>(null);
  const [size, setSize] = useState<[number, number]>([0, 0]);
  useEffect(() => {
    const element = ref.current;
    if (element === null) {
      return undefined;
    }
    const measure = () => setSize([element.clientWidth, element.clientHeight]);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, size[0], size[1]];
}

/**
 * Call `work` now and again every `interval` milliseconds after it has ended, while `active`.
 *
 * `work` says false when there will be nothing more. Errors are left to `work`; after one that it
 * lets through the pauses become longer.
 */
export function useRepeated(
  work: () => Promise<boolean | void>,
  interval: number,
  active: boolean,
  dependencies: readonly unknown[]
): void {
  useEffect(() => {
    if (!active) {
      return undefined;
    }
    let [timer, stopped, pause] = [0, false, interval];
    const step = async () => {
      let more: boolean | void = true;
      try {
        more = await work();
        pause = interval;
      } catch {
        pause = Math.min(pause * 2, 30000);
      }
      if (!stopped && more !== false) {
        timer = window.setTimeout(step, pause);
      }
    };
    void step();
    return () => {
      stopped = true;
      window.clearTimeout(timer);
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the caller says what matters
  }, [active, interval, ...dependencies]);
}
