import type { TranslationBundle } from '@jupyterlab/translation';

/** What a form asks of the server to make an image for its notebook. */
export interface IImages {
  /** Write, build and try it, with what the form asks for now. */
  make(base: string): Promise<IImageState>;
  look(): Promise<IImageState>;
  cancel(): Promise<void>;
}

/** How far an image is; `phase` alone where none was made. */
export interface IImageState {
  readonly phase:
    'none' | 'writing' | 'building' | 'trying' | 'done' | 'lacking' | 'failed' | 'cancelled';
  readonly made?: {
    readonly written: readonly string[];
    readonly kept: readonly string[];
    readonly ties: readonly {
      readonly message: string;
      readonly option: string;
      readonly fix: string;
      readonly cell: number | null;
    }[];
  } | null;
  readonly log?: string | null;
  readonly lines?: readonly string[];
  readonly step?: { readonly number: number; readonly total: number; readonly text: string } | null;
  readonly image?: { readonly name: string; readonly seconds: number } | null;
  readonly trial?: {
    readonly ran: boolean;
    readonly seconds: number;
    readonly reason: string;
    readonly job: string | null;
    readonly lacks: readonly {
      readonly message: string;
      readonly line: string;
      readonly where: string;
    }[];
  } | null;
  readonly error?: string;
}

/** Whether it goes on. */
export function isMaking(state: IImageState | null): boolean {
  return state !== null && ['writing', 'building', 'trying'].includes(state.phase);
}

/** Where it is, in words. */
export function phaseWords(state: IImageState, trans: TranslationBundle): string {
  if (state.phase === 'building' && state.step) {
    const { number, total, text } = state.step;
    return trans.__('Step %1 of %2: %3', number, total, text);
  }
  switch (state.phase) {
    case 'writing':
      return trans.__('Reading the notebook…');
    case 'building':
      return trans.__('Building…');
    case 'trying':
      return trans.__('Trying the notebook in %1…', state.image?.name ?? '');
    case 'done':
      return trans.__('The notebook ran in %1.', state.image?.name ?? '');
    case 'lacking':
      return trans.__('It did not run in the image: %1.', state.trial?.reason ?? '');
    case 'failed':
      return state.error ?? '';
    default:
      return trans.__('No image was made.');
  }
}
