/** Ten thousand jobs in the panel. */

import { expect, Screen, test } from './fixtures';

test.use({ file: __filename });

const COUNT = 10000;

test('ten thousand jobs are listed, scrolled and filtered', async ({ page, lab }) => {
  lab.copy('train.ipynb');
  lab.python('benchmarks/listing.py', `${lab.directory}/many`, String(COUNT));
  const screen = new Screen(page);
  await page.goto(lab.url('lab?reset'));
  await screen.showPanel();
  await expect(screen.panel.getByText(`${COUNT} jobs`)).toBeVisible();
  await expect(screen.jobs.first()).toContainText(`job ${COUNT - 1}`);
  // Only what is in view is in the document.
  expect(await screen.jobs.count()).toBeLessThan(60);

  const list = screen.panel.getByRole('listbox', { name: 'Jobs' });
  const frames: number[] = await list.evaluate(async element => {
    const found: number[] = [];
    let last = await new Promise<number>(requestAnimationFrame);
    for (let i = 0; i < 240; i++) {
      element.scrollTop += i < 120 ? 90 : 4000;
      const now = await new Promise<number>(requestAnimationFrame);
      found.push(now - last);
      last = now;
    }
    return found.sort((a, b) => a - b);
  });
  const at = (share: number) => frames[Math.floor(share * (frames.length - 1))].toFixed(1);
  console.log(`frames while scrolling: median ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms`);
  expect(await screen.jobs.count()).toBeLessThan(60);

  await list.focus();
  await page.keyboard.press('End');
  const last = list.getByRole('option', { name: /^job 0,/ });
  await expect(last).toBeInViewport();
  await expect(last).toHaveAttribute('aria-posinset', String(COUNT));

  await screen.panel.getByRole('textbox', { name: 'Filter jobs by text' }).fill('job 4242');
  await expect(screen.jobs).toHaveCount(1);
  await screen.panel.getByRole('button', { name: 'Clear the filter' }).click();
  await screen.panel.getByRole('combobox', { name: 'Filter jobs by state' }).selectOption('failed');
  await expect(screen.panel.getByText(/^1429 of 10000 jobs$/)).toBeVisible();
  await screen.panel.getByRole('combobox', { name: 'Filter jobs by state' }).selectOption('all');

  // A new one among them is seen, and followed to its end.
  lab.command('submit', 'train.ipynb', '--name', 'newest', '--epochs', '3');
  await list.evaluate(element => (element.scrollTop = 0));
  await expect(screen.jobs.first()).toContainText('newest');
  await expect(screen.jobs.first()).toContainText('Succeeded');
});
