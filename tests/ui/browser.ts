import { execFileSync } from 'child_process';

/** Where Chromium is: Playwright's own download is not used. */
export function browser(): string {
  const names = [process.env.CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome'];
  for (const name of names) {
    try {
      if (name) {
        return execFileSync('sh', ['-c', 'command -v "$0"', name], { encoding: 'utf8' }).trim();
      }
    } catch {
      // Not this one.
    }
  }
  throw new Error('Install Chromium (see scripts/chromium.sh), or set CHROMIUM=/path/to/it.');
}

/** Quiet: no look-ups of its own, no sandbox (in a container, root has none). */
export const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
];
