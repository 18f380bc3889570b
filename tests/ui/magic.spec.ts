/** What is done from a cell, in a real JupyterLab and in Notebook 7: `%submit` and its form. */

import type { Locator, Page } from '@playwright/test';

import { expect, Screen, test } from './fixtures';
import type { Lab } from './lab';

test.use({ file: __filename });

/** The cells of submits.ipynb, by what they are for. */
const [LOAD, SUBMIT, FORM] = [3, 4, 5];

const PLACES = [
  ['JupyterLab', 'lab/tree', 'lab'],
  ['Notebook 7', 'notebooks', 'classic']
];

/** A cell of the notebook in front, run by keyboard as a person does. */
async function run(page: Page, index: number): Promise<Locator> {
  const cell = page.locator('.jp-Notebook .jp-Cell').nth(index);
  await cell.locator('.cm-content').click();
  await page.keyboard.press('Control+Enter');
  return cell;
}

/** Open a copy of submits.ipynb and load the extension in its kernel. */
async function open(page: Page, lab: Lab, pages: string, name: string): Promise<void> {
  lab.copy('submits.ipynb', name);
  await page.goto(lab.url(`${pages}/${name}?reset`));
  // Before the notebook has its kernel, keys that run a cell do nothing.
  await expect(async () => {
    const cell = await run(page, LOAD);
    await expect(cell.locator('.jp-InputPrompt')).toHaveText(/\[\d+\]/, { timeout: 5000 });
  }).toPass({ timeout: 60000 });
}

for (const [application, pages, own] of PLACES) {
  test.describe(application, () => {
    test('%submit shows a job that lives', async ({ page, lab }) => {
      await open(page, lab, pages, `live-${own}.ipynb`);
      const cell = await run(page, SUBMIT);
      const shown = cell.locator('.jpu-card');
      await expect(shown).toContainText('from-a-cell');
      await expect(shown.locator('.jpu-state')).toHaveText('running');
      const bar = shown.getByRole('progressbar', { name: 'Progress' });
      await expect(bar).toHaveAttribute('aria-valuenow', /^[1-9]\d$/);
      await expect(shown.getByLabel('End of the log')).toContainText(/epoch \d+: loss/);
      await expect(shown.getByRole('img', { name: /^loss: 0\.\d+ \(lowest/ })).toBeVisible();
      await cell.getByRole('button', { name: 'Cancel' }).click();
      await expect(shown.locator('.jpu-state')).toHaveText('cancelled');
      await expect(cell.getByRole('button', { name: 'Cancel' })).toBeDisabled();
      await expect(cell.getByRole('button', { name: 'Re-run' })).toBeEnabled();
    });

    test('%submit form checks, submits and remembers', async ({ page, lab }) => {
      await open(page, lab, pages, `asked-${own}.ipynb`);
      const cell = await run(page, FORM);
      const epochs = cell.getByRole('textbox', { name: 'epochs' });
      await expect(epochs).toHaveValue('5');
      await expect(cell.getByRole('combobox', { name: 'optimiser' })).toHaveValue('adam');

      await epochs.fill('many');
      await cell.getByRole('button', { name: 'Submit', exact: true }).click();
      await expect(cell.getByText("epochs: 'many' is not a whole number")).toBeVisible();

      await epochs.fill('3');
      await cell.getByRole('combobox', { name: 'optimiser' }).selectOption('sgd');
      await cell.getByRole('textbox', { name: 'Name' }).fill('from-the-form');
      await cell.getByRole('button', { name: 'Preview' }).click();
      await expect(cell.locator('pre').first()).toContainText('--epochs=3');
      await cell.getByRole('button', { name: 'Preview' }).click();
      await cell.getByRole('button', { name: 'Submit', exact: true }).click();
      const shown = cell.locator('.jpu-card');
      await expect(shown).toContainText('from-the-form');
      await expect(shown.locator('.jpu-state')).toHaveText('succeeded');
      await expect(shown).toContainText('3 of 3');

      const again = await run(page, FORM);
      await expect(again.getByRole('textbox', { name: 'epochs' })).toHaveValue('3');
      await expect(again.getByRole('combobox', { name: 'optimiser' })).toHaveValue('sgd');
      await expect(again.locator('.jpu-card')).toHaveCount(0);
    });
  });
}

test('in Notebook 7 the button opens the form and a job beside the notebook', async ({
  page,
  lab
}) => {
  const errors: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error' && message.text().includes('jupyter-unattended')) {
      errors.push(message.text());
    }
  });
  lab.copy('train.ipynb');
  const screen = new Screen(page);
  await page.goto(lab.url('notebooks/train.ipynb'));
  await page.getByRole('button', { name: 'Run unattended' }).click();
  const form = screen.form(/^Run train\.ipynb unattended$/);
  await expect(form.getByRole('textbox', { name: 'epochs' })).toHaveValue('5');
  await screen.submit(/^Run train\.ipynb/, 'classic', { epochs: '3' });
  await screen.show('classic');
  const job = screen.job('classic');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Succeeded');
  await expect(job.getByRole('log')).toContainText('the end of 3 epochs');

  await page.getByRole('menuitem', { name: 'View' }).click();
  await page.getByRole('menuitem', { name: 'Unattended Jobs' }).first().click();
  const listed = page
    .getByRole('listbox', { name: 'Jobs' })
    .getByRole('option', { name: /^classic/ });
  await expect(listed).toContainText('Succeeded');
  expect(errors).toEqual([]);
});
