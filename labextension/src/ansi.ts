/** Text with terminal escapes, as lines of styled pieces. */

export interface IPiece {
  readonly text: string;
  /** CSS classes; those of JupyterLab's own outputs, so that themes fit. */
  readonly classes: string;
  /** A colour outside of the terminal's sixteen. */
  readonly color?: string;
  readonly background?: string;
}

export type Line = readonly IPiece[];

interface IStyle {
  fg: string;
  bg: string;
  bold: boolean;
  underline: boolean;
  inverse: boolean;
}

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const PLAIN: IStyle = { fg: '', bg: '', bold: false, underline: false, inverse: false };
/** A control sequence, an operating system command, or another two-character escape. */

const ESCAPE =
  /\x1b(?:\[([0-9;:?<=>]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])/y;
/** An escape that has begun at the end of what we have. */

const UNFINISHED = /\x1b(?:\[[0-9;:?<=>]*[ -/]*|\][^\x07\x1b]*\x1b?)?$/;

/**
 * Turns a stream of text into lines.
 *
 * A carriage return goes back to the start of the line, as progress bars use it; colours go on over
 * line ends and over the borders between what is written piece by piece.
 */
export class AnsiParser {
  /** Lines that are complete, oldest first. */
  readonly lines: Line[] = [];

  /** The line that is still being written. */
  get current(): Line {
    return this._pieces(this._cells);
  }

  /** Take in more text. */
  write(text: string): void {
    text = this._held + text;
    this._held = '';
    const cut = UNFINISHED.exec(text);
    if (cut !== null) {
      this._held = cut[0];
      text = text.slice(0, cut.index);
    }
    let index = 0;
    while (index < text.length) {
      const char = text[index];
      if (char === '\x1b') {
        ESCAPE.lastIndex = index;
        const match = ESCAPE.exec(text);
        if (match === null) {
          index += 1;
          continue;
        }
        this._escape(match[1] ?? '', match[2] ?? '');
        index = ESCAPE.lastIndex;
      } else if (char === '\n') {
        this.lines.push(this._pieces(this._cells));
        this._cells = [];
        this._column = 0;
        index += 1;
      } else if (char === '\r') {
        this._column = 0;
        index += 1;
      } else if (char === '\b') {
        this._column = Math.max(0, this._column - 1);
        index += 1;
      } else {
        let end = index + 1;
        while (end < text.length && !'\x1b\n\r\b'.includes(text[end])) {
          end += 1;
        }
        this._put(text.slice(index, end));
        index = end;
      }
    }
  }

  private _put(text: string): void {
    // Appending, by far the most frequent case, keeps whole runs together.
    if (this._column === this._length()) {
      const last = this._cells[this._cells.length - 1];
      if (last !== undefined && last.style === this._style) {
        last.text += text;
      } else {
        this._cells.push({ text, style: this._style });
      }
      this._column += text.length;
      return;
    }
    const [before, rest] = split(this._cells, this._column);
    const [, after] = split(rest, text.length);
    this._cells = [...before, { text, style: this._style }, ...after];
    this._column += text.length;
  }

  private _length(): number {
    return this._cells.reduce((sum, cell) => sum + cell.text.length, 0);
  }

  private _escape(parameters: string, command: string): void {
    if (command === 'm') {
      this._style = styled(this._style, parameters);
    } else if (command === 'K') {
      const [before, after] = split(this._cells, this._column);
      if (parameters === '1') {
        this._cells = [{ text: ' '.repeat(this._column), style: PLAIN }, ...after];
      } else {
        this._cells = parameters === '2' ? [] : before;
        if (parameters === '2') {
          this._cells = [{ text: ' '.repeat(this._column), style: PLAIN }];
        }
      }
    } else if (command === 'G') {
      this._column = Math.min(this._length(), Math.max(0, (parseInt(parameters, 10) || 1) - 1));
    } else if (command === 'D') {
      this._column = Math.max(0, this._column - (parseInt(parameters, 10) || 1));
    }
  }

  private _pieces(cells: readonly { text: string; style: IStyle }[]): Line {
    return cells.filter(cell => cell.text).map(cell => piece(cell.text, cell.style));
  }

  private _cells: { text: string; style: IStyle }[] = [];
  private _column = 0;
  private _style = PLAIN;
  private _held = '';
}

function split(
  cells: { text: string; style: IStyle }[],
  column: number
): [{ text: string; style: IStyle }[], { text: string; style: IStyle }[]] {
  const before: { text: string; style: IStyle }[] = [];
  const after: { text: string; style: IStyle }[] = [];
  let position = 0;
  for (const { text, style } of cells) {
    const left = Math.max(0, Math.min(text.length, column - position));
    if (left > 0) {
      before.push({ text: text.slice(0, left), style });
    }
    if (left < text.length) {
      after.push({ text: text.slice(left), style });
    }
    position += text.length;
  }
  return [before, after];
}

function styled(style: IStyle, parameters: string): IStyle {
  const codes = parameters.split(/[;:]/).map(code => parseInt(code, 10) || 0);
  let next: IStyle = { ...style };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) {
      next = { ...PLAIN };
    } else if (code === 1) {
      next.bold = true;
    } else if (code === 22) {
      next.bold = false;
    } else if (code === 4) {
      next.underline = true;
    } else if (code === 24) {
      next.underline = false;
    } else if (code === 7) {
      next.inverse = true;
    } else if (code === 27) {
      next.inverse = false;
    } else if (code === 39) {
      next.fg = '';
    } else if (code === 49) {
      next.bg = '';
    } else if (code >= 30 && code <= 37) {
      next.fg = COLORS[code - 30];
    } else if (code >= 90 && code <= 97) {
      next.fg = `${COLORS[code - 90]}-intense`;
    } else if (code >= 40 && code <= 47) {
      next.bg = COLORS[code - 40];
    } else if (code >= 100 && code <= 107) {
      next.bg = `${COLORS[code - 100]}-intense`;
    } else if (code === 38 || code === 48) {
      const [color, used] = extended(codes.slice(i + 1));
      i += used;
      next[code === 38 ? 'fg' : 'bg'] = color;
    }
  }
  return next;
}

/** A colour of 256, or one given as red, green and blue; and how many codes it took. */
function extended(codes: readonly number[]): [string, number] {
  if (codes[0] === 2) {
    return [`rgb(${codes[1] ?? 0},${codes[2] ?? 0},${codes[3] ?? 0})`, 4];
  }
  const index = codes[1] ?? 0;
  if (index < 16) {
    return [COLORS[index % 8] + (index > 7 ? '-intense' : ''), 2];
  }
  if (index > 231) {
    const grey = 8 + (index - 232) * 10;
    return [`rgb(${grey},${grey},${grey})`, 2];
  }
  const level = (n: number) => (n ? 55 + n * 40 : 0);
  const cube = index - 16;
  const [r, g, b] = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(level);
  return [`rgb(${r},${g},${b})`, 2];
}

function piece(text: string, style: IStyle): IPiece {
  if (style === PLAIN) {
    return { text, classes: '' };
  }
  const [fg, bg] = style.inverse ? [style.bg, style.fg] : [style.fg, style.bg];
  const classes: string[] = [];
  if (style.inverse && !fg) {
    classes.push('ansi-default-inverse-fg');
  }
  if (style.inverse && !bg) {
    classes.push('ansi-default-inverse-bg');
  }
  if (fg && !fg.startsWith('rgb')) {
    classes.push(`ansi-${fg}-fg`);
  }
  if (bg && !bg.startsWith('rgb')) {
    classes.push(`ansi-${bg}-bg`);
  }
  if (style.bold) {
    classes.push('ansi-bold');
  }
  if (style.underline) {
    classes.push('ansi-underline');
  }
  return {
    text,
    classes: classes.join(' '),
    ...(fg.startsWith('rgb') ? { color: fg } : {}),
    ...(bg.startsWith('rgb') ? { background: bg } : {})
  };
}
