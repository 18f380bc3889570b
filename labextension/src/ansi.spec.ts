import type { Line } from './ansi';
import { AnsiParser } from './ansi';

const ESC = '\x1b';

function parse(...pieces: string[]): { lines: readonly Line[]; current: Line } {
  const parser = new AnsiParser();
  pieces.forEach(piece => parser.write(piece));
  return { lines: parser.lines, current: parser.current };
}

function text(line: Line): string {
  return line.map(piece => piece.text).join('');
}

describe('AnsiParser', () => {
  it('splits lines, and keeps the last one open', () => {
    const { lines, current } = parse('one\ntwo', ' more\n', 'three');
    expect(lines.map(text)).toEqual(['one', 'two more']);
    expect(text(current)).toBe('three');
  });

  it('carries colours over line ends and over pieces', () => {
    const { lines } = parse(`${ESC}[3`, `1;1mred\nstill`, `${ESC}`, `[0m plain\n`);
    expect(lines[0]).toEqual([{ text: 'red', classes: 'ansi-red-fg ansi-bold' }]);
    expect(lines[1]).toEqual([
      { text: 'still', classes: 'ansi-red-fg ansi-bold' },
      { text: ' plain', classes: '' }
    ]);
  });

  it('draws progress bars as a terminal does', () => {
    const { lines } = parse('  0%|    |\r 50%|##  |\r100%|####|\ndone\n');
    expect(lines.map(text)).toEqual(['100%|####|', 'done']);
  });

  it('keeps what a shorter line does not cover, and erases it when told to', () => {
    expect(text(parse('abcdef\rXY').current)).toBe('XYcdef');
    expect(text(parse(`abcdef\rXY${ESC}[K`).current)).toBe('XY');
    expect(text(parse(`abcdef\r${ESC}[2K`).current)).toBe('');
    expect(text(parse('abc\b\bX').current)).toBe('aXc');
  });

  it('understands 256 and true colours', () => {
    expect(parse(`${ESC}[38;5;9mx`).current[0].classes).toBe('ansi-red-intense-fg');
    expect(parse(`${ESC}[38;5;196mx`).current[0].color).toBe('rgb(255,0,0)');
    expect(parse(`${ESC}[48;2;1;2;3mx`).current[0].background).toBe('rgb(1,2,3)');
    expect(parse(`${ESC}[38;5;232mx`).current[0].color).toBe('rgb(8,8,8)');
  });

  it('leaves out escapes that mean nothing here', () => {
    const title = `${ESC}]0;window title\x07`;
    expect(text(parse(`a${title}b${ESC}[2Jc${ESC}[?25ld${ESC}(Be`).current)).toBe('abcde');
    expect(text(parse(`a${ESC}]0;half`, `\x07b`).current)).toBe('ab');
  });

  it('turns colours around', () => {
    const [piece] = parse(`${ESC}[31;7mx`).current;
    expect(piece.classes.split(' ')).toEqual(['ansi-default-inverse-fg', 'ansi-red-bg']);
  });

  it('takes in a long log quickly', () => {
    const parser = new AnsiParser();
    const began = Date.now();
    parser.write(`${ESC}[32mok${ESC}[0m some words of a line that is not short\n`.repeat(100000));
    expect(parser.lines.length).toBe(100000);
    expect(Date.now() - began).toBeLessThan(10000);
  });
});
