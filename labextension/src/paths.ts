/** What collaboration puts before the path of a notebook that is among the server's own files. */
const COLLABORATIVE = /^RTC:\/?/;

/** A Contents path as the server names it: without the drive that collaboration adds. */
export function plainPath(path: string): string {
  return path.replace(COLLABORATIVE, '');
}
