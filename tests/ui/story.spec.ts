/** What a researcher does, from the notebook to the result, in a real JupyterLab with real jobs. */

import * as fs from 'fs';

import { expect, Screen, test } from './fixtures';

test.use({ file: __filename });

test.describe.configure({ mode: 'serial' });
test.use({ permissions: ['clipboard-read', 'clipboard-write'] });

const FORM = /^Run train\.ipynb unattended$/;

test.beforeAll(({ lab }) => {
  for (const name of ['train.ipynb', 'fails.ipynb', 'asks.ipynb', 'hungry.ipynb']) {
    lab.copy(name);
  }
});

test('a notebook is submitted with another parameter and watched while it runs', async ({
  page,
  lab
}) => {
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  const form = screen.form(FORM);
  await expect(form.getByRole('textbox', { name: 'epochs' })).toHaveValue('5');
  await expect(form.getByRole('combobox', { name: 'optimiser' })).toHaveText(/adam/);
  await expect(form.getByRole('textbox', { name: 'layers' })).toHaveValue('[64,32]');
  await expect(form.getByText('passes over the data')).toBeVisible();

  // What cannot be is said at once.
  await form.getByRole('textbox', { name: 'epochs' }).fill('many');
  await expect(form.getByText('Write a whole number.')).toBeVisible();
  await expect(form.getByRole('button', { name: 'Run unattended' })).toBeDisabled();
  await form.getByRole('textbox', { name: 'epochs' }).fill('12');
  // Lists are typed key by key, and are no lists on the way.
  const layers = form.getByRole('textbox', { name: 'layers' });
  await layers.fill('');
  await layers.pressSequentially('[64, 3');
  await expect(form.getByText('Write a list as JSON')).toBeVisible();
  await layers.pressSequentially('2]');
  await expect(layers).toHaveValue('[64, 32]');
  await expect(form.getByText('Write a list as JSON')).toBeHidden();
  await expect(form.getByText('In the notebook: 5')).toBeVisible();
  await form.getByRole('textbox', { name: 'pause' }).fill('0.5');
  await form.getByRole('combobox', { name: 'optimiser' }).selectOption({ label: 'sgd' });

  await form.getByRole('button', { name: 'Preview' }).click();
  const preview = form.getByRole('region', { name: 'Preview' });
  await expect(preview).toContainText('--epochs=12');
  await preview.getByRole('button', { name: 'Copy' }).first().click();
  await expect(preview.getByRole('button', { name: 'Copied' })).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toMatch(/^#!.*bash/);
  await form.getByRole('button', { name: 'Back to the form' }).click();
  await screen.submit(FORM, 'first');

  await screen.show('first');
  const job = screen.job('first');
  await expect(job.getByRole('log')).toContainText('training with sgd [64, 32]');
  await expect(job.getByRole('log').getByText('loss 1.0000')).toHaveClass('ansi-green-fg');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Running');
  const bar = job.getByRole('progressbar', { name: 'Progress of first' });
  await expect(bar).toHaveAttribute('aria-valuetext', /^\d+ \/ 12/);

  const metrics = await screen.part(job, 'Metrics');
  await expect(metrics.getByRole('figure', { name: /^loss: last/ })).toBeVisible();
  await expect(metrics.getByRole('figure', { name: /^accuracy: last/ })).toBeVisible();
  const executed = await screen.part(job, 'Notebook');
  await expect(executed).toContainText('A training run');

  await expect(job.getByRole('status', { name: 'State' })).toContainText('Succeeded');
  await expect(page.getByRole('alert').filter({ hasText: 'first is done.' })).toBeVisible();
  await expect(executed).toContainText('the end of 12 epochs');
  await screen.part(job, 'Metrics');
  await expect(metrics.getByRole('figure', { name: /^loss: last 0\.02556/ })).toBeVisible();
});

test('what was changed the last time is there again', async ({ page, lab }) => {
  const screen = new Screen(page);
  await page.goto(lab.url('lab/tree/train.ipynb'));
  await screen.button().click();
  const form = screen.form(FORM);
  await form.getByRole('textbox', { name: 'epochs' }).fill('3');
  await screen.submit(FORM, 'second');
  await screen.button().click();
  await expect(form.getByRole('textbox', { name: 'epochs' })).toHaveValue('3');
  await form.getByRole('button', { name: 'Reset' }).click();
  await expect(form.getByRole('textbox', { name: 'epochs' })).toHaveValue('5');
});

test('several runs are submitted from one form', async ({ page, lab }) => {
  const screen = new Screen(page);
  lab.copy('train.ipynb', 'several.ipynb');
  await screen.open(lab, 'several.ipynb');
  await screen.button().click();
  const form = screen.form(/^Run several\.ipynb/);
  await form.getByText('Several runs').click();
  await form.getByRole('textbox', { name: 'Values to try' }).fill('epochs=2,3');
  await form.getByRole('textbox', { name: 'Name', exact: true }).fill('many');
  await form.getByRole('button', { name: 'Run unattended' }).click();
  await expect(
    page.getByRole('alert').filter({ hasText: '2 runs were submitted: many epochs=2 …' })
  ).toBeVisible();
  await screen.showPanel();
  await expect(screen.jobs.filter({ hasText: 'many epochs=2' })).toBeVisible();
  await expect(screen.jobs.filter({ hasText: 'many epochs=3' })).toBeVisible();
});

test('an unsaved notebook is saved first', async ({ page, lab }) => {
  const screen = new Screen(page);
  lab.copy('train.ipynb', 'unsaved.ipynb');
  await screen.open(lab, 'unsaved.ipynb');
  await page.getByText('epochs = 5').click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('\nseed = 42  # for the dice');
  await screen.button().click();
  const form = screen.form(/^Run unsaved\.ipynb/);
  await expect(form.getByRole('textbox', { name: 'seed' })).toHaveValue('42');
});

test('a job is cancelled, and cloned with other values', async ({ page, lab }) => {
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  await screen.submit(FORM, 'long', { epochs: '1000', pause: '0.5' });
  await screen.show('long');
  const job = screen.job('long');
  await expect(job.getByRole('log')).toContainText('epoch 1:');
  await expect(page.getByRole('button', { name: /1 job running/ })).toBeVisible();

  // It is in JupyterLab's own list of what runs, too.
  await page.getByRole('tab', { name: /Running Terminals and Kernels|^Running/ }).click();
  await expect(page.getByRole('region', { name: /Unattended jobs Section/i })).toContainText(
    'long'
  );

  await job.getByRole('button', { name: 'Cancel' }).click();
  await screen.answer('Cancel the job');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Cancelled');

  await job.getByRole('button', { name: 'Clone and edit…' }).click();
  const form = screen.form(/^Clone long/);
  await expect(form.getByRole('textbox', { name: 'epochs' })).toHaveValue('1000');
  await screen.submit(/^Clone long/, 'short', { epochs: '2', pause: '0' });
  await screen.show('short');
  await expect(screen.job('short').getByRole('status', { name: 'State' })).toContainText(
    'Succeeded'
  );

  await screen.showPanel();
  const names = screen.jobs.filter({ hasText: /^(long|short)/ });
  await names.nth(0).click({ modifiers: ['Control'] });
  await names.nth(1).click({ modifiers: ['Control'] });
  await screen.panel.getByRole('button', { name: 'Compare' }).click();
  const compare = page.getByRole('region', { name: 'Compare 2 jobs' });
  const epochs = compare.getByRole('row', { name: /^epochs/ });
  await expect(epochs).toContainText('1000');
  await expect(compare.getByRole('row', { name: /^layers/ })).toBeHidden();
  await expect(compare.getByRole('figure', { name: /loss: / })).toBeVisible();
});

test('a job goes on while the page is reloaded and the server is restarted', async ({
  page,
  lab
}) => {
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  await screen.submit(FORM, 'survivor', { epochs: '600', pause: '0.5' });
  await screen.show('survivor');
  const job = screen.job('survivor');
  await expect(job.getByRole('log')).toContainText('epoch 2:');

  // The layout is saved a moment after it changed.
  await page.waitForTimeout(2000);
  await page.goto(lab.url('lab'));
  await expect(job.getByRole('log')).toContainText(/epoch \d+:/);

  await lab.stop();
  await page.waitForTimeout(1500);
  const log = job.getByRole('log');
  // Nothing is lost and nothing twice, of what is in view and of what is not.
  const whole = async () => {
    const text = await log.innerText();
    const numbers = [...text.matchAll(/^epoch (\d+):/gm)].map(match => Number(match[1]));
    expect(numbers).toEqual([...numbers.keys()].map(i => i + numbers[0]));
    return numbers[numbers.length - 1];
  };
  const before = await whole();
  await lab.start();
  // The page that was open goes on by itself, from where it was cut off.
  await expect.poll(whole, { timeout: 60000 }).toBeGreaterThan(before + 8);
  await page.goto(lab.url('lab'));
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Running');
  await expect(log).toContainText(/epoch \d+:/);
  await whole();
  const search = job.getByRole('textbox', { name: 'Show only lines of the log with this text' });
  await search.fill('epoch 2:');
  await expect(log).toHaveText(/^epoch 2: loss \d\.\d+$/);

  await job.getByRole('button', { name: 'Pause' }).click();
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Paused');
  await job.getByRole('button', { name: 'Resume' }).click();
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Running');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('attempt 2');
  await expect(job.getByText(/, of which it ran \d/)).toBeVisible();
  const attempts = await screen.part(job, /^Attempts/);
  await expect(attempts.getByRole('listitem')).toHaveCount(2);
  // Its cell is long and nobody changed it, so nothing was saved of it: that is said.
  await expect(attempts.getByRole('listitem').nth(0)).toContainText('of work lost');
  await expect(attempts.getByRole('listitem').nth(1)).toContainText(
    'started from the top, because nothing was saved'
  );
  await expect(attempts).toContainText(
    /If it were stopped now, it would start from the top.* of work is not saved\./
  );
  await job.getByRole('button', { name: 'Cancel' }).click();
  await screen.answer('Cancel the job');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Cancelled');
});

test('a failing notebook shows its traceback', async ({ page, lab }) => {
  const screen = new Screen(page);
  await screen.open(lab, 'fails.ipynb');
  await screen.button().click();
  await screen.submit(/^Run fails\.ipynb/, 'broken');
  await screen.show('broken');
  const job = screen.job('broken');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Failed');
  await expect(job).toContainText('IndexError: list index out of range');
  const failed = page.getByRole('alert').filter({ hasText: 'broken failed.' });
  await expect(failed).toContainText('IndexError');
  await expect(job.getByRole('log')).toContainText('return numbers[index]');
  const executed = await screen.part(job, 'Notebook');
  await expect(executed).toContainText('IndexError: list index out of range');
  await executed.getByRole('button', { name: 'Open as a file' }).click();
  await expect(page.getByRole('tab', { name: 'output.ipynb' })).toBeVisible();
});

test('a job that took too much memory says so, in its timeline too', async ({ page, lab }) => {
  const screen = new Screen(page);
  await screen.open(lab, 'hungry.ipynb');
  await screen.button().click();
  await screen.submit(/^Run hungry\.ipynb/, 'hungry', { Memory: '400Mi' });
  await screen.show('hungry');
  const job = screen.job('hungry');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Failed');
  await expect(job.getByText(/of memory; its limit is 400 MiB/).first()).toBeVisible();
  const attempts = await screen.part(job, /^Attempts/);
  await expect(attempts.getByRole('listitem')).toHaveCount(1);
  await expect(attempts.getByRole('listitem')).toContainText('of memory');
  await expect(attempts.getByRole('row', { name: /Failed/ })).toContainText('of memory');
});

test('a job’s files are looked at and downloaded, and it is run again', async ({ page, lab }) => {
  const screen = new Screen(page);
  const id = lab.command('submit', 'train.ipynb', '--name', 'kept', '--epochs', '2').trim();
  await screen.open(lab, 'train.ipynb');
  await screen.showPanel();
  await screen.jobs.filter({ hasText: /^kept/ }).click();
  const job = screen.job('kept');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Succeeded');

  const details = await screen.part(job, 'Details');
  await expect(details.getByText('Job directory', { exact: true })).toBeVisible();
  await expect(details.getByText('epochs', { exact: true })).toBeVisible();
  await expect(details.getByText(/^#!.*bash/)).toContainText('Runs train.ipynb');
  const files = await screen.part(job, 'Files');
  await expect(files.getByRole('row', { name: /output\.ipynb/ })).toContainText('executed');
  const one = page.waitForEvent('download');
  await files.getByRole('link', { name: 'Download start.sh' }).click();
  expect((await one).suggestedFilename()).toBe('start.sh');
  await files.getByRole('button', { name: 'attempts' }).click();
  await files.getByRole('button', { name: '1', exact: true }).click();
  await files.getByRole('button', { name: 'log.txt' }).click();
  await expect(page.getByRole('tab', { name: 'log.txt' })).toBeVisible();
  await page.getByRole('tab', { name: 'kept' }).click();

  const all = page.waitForEvent('download');
  await job.getByRole('button', { name: 'Download', exact: true }).click();
  const download = await all;
  expect(download.suggestedFilename()).toBe(`${id}.zip`);
  const bytes = fs.readFileSync(await download.path());
  expect(bytes.subarray(0, 2).toString()).toBe('PK');
  expect(bytes.includes(`${id}/attempts/1/log.txt`)).toBe(true);

  await job.getByRole('button', { name: 'Run again' }).click();
  await expect(screen.jobs.filter({ hasText: /^kept/ })).toHaveCount(2);
  await expect(screen.jobs.filter({ hasText: /^kept/ }).first()).toContainText('Succeeded');
});

test('what would stop it is said before, and leads to its cell', async ({ page, lab }) => {
  const screen = new Screen(page);
  await screen.open(lab, 'asks.ipynb');
  await screen.button().click();
  const form = screen.form(/^Run asks\.ipynb/);
  await expect(form.getByText('input')).toBeVisible();
  await expect(form.getByRole('button', { name: 'Run unattended' })).toBeDisabled();
  await form.getByRole('button', { name: 'Cell 2, line 2' }).click();
  await expect(page.locator('.jp-Notebook .jp-mod-active')).toContainText('How many?');

  // Mended and saved, the form knows.
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+End');
  await page.keyboard.type('answer = 3');
  await page.keyboard.press('Control+s');
  await expect(form.getByRole('button', { name: 'Run unattended' })).toBeEnabled();
});

test('the list is filtered, also for jobs from a terminal', async ({ page, lab }) => {
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.showPanel();
  const id = lab.command('submit', 'fails.ipynb', '--name', 'from-terminal').trim();
  const terminal = screen.jobs.filter({ hasText: 'from-terminal' });
  await expect(terminal).toHaveCount(1);
  await expect(terminal).toContainText('Failed');
  await screen.panel.getByRole('textbox', { name: 'Filter jobs by text' }).fill(id);
  await expect(screen.jobs).toHaveCount(1);
  await screen.panel.getByRole('button', { name: 'Clear the filter' }).click();
  await screen.panel.getByRole('combobox', { name: 'Filter jobs by state' }).selectOption('failed');
  await expect(screen.jobs.filter({ hasText: 'Succeeded' })).toHaveCount(0);
  await expect(terminal).toHaveCount(1);
  await screen.panel.getByRole('checkbox', { name: 'This notebook' }).check();
  await expect(terminal).toHaveCount(0);
  await screen.panel.getByRole('checkbox', { name: 'This notebook' }).uncheck();

  await terminal.click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await screen.answer('Delete');
  await expect(terminal).toHaveCount(0);
  expect(lab.command('list')).not.toContain('from-terminal');
});
