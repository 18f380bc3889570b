/** For everybody: by keyboard and screen reader, in both themes, in narrow windows. */

import * as fs from 'fs';

import type { Locator, Page } from '@playwright/test';
import type { Result } from 'axe-core';

import { expect, Screen, test } from './fixtures';

test.use({ file: __filename });

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const FORM = /^Run train\.ipynb unattended$/;
const THEMES = ['JupyterLab Light', 'JupyterLab Dark'];

test.beforeAll(({ lab }) => {
  lab.copy('train.ipynb');
  lab.copy('fails.ipynb');
  lab.copy('asks.ipynb');
  const submit = (notebook: string, name: string, ...rest: string[]) =>
    lab.command('submit', notebook, '--name', name, ...rest);
  submit('fails.ipynb', 'broken');
  submit('train.ipynb', 'one', '--epochs', '3', '--pause', '0', '--wait');
  submit('train.ipynb', 'two', '--epochs', '4', '--pause', '0', '--wait');
  submit('train.ipynb', 'long', '--epochs', '9000', '--pause', '0.5');
});

/** What is wrong in our own parts of the page, as axe tells it: nothing. */
async function expectAccessible(page: Page, where: Locator): Promise<void> {
  await where.waitFor();
  await page.evaluate(AXE);
  const violations = await where.evaluate(async element => {
    const found = await (window as any).axe.run(
      // The executed notebook and opened files are drawn by JupyterLab itself.
      { include: [element], exclude: ['.jp-Unattended-notebookHost'] },
      { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }
    );
    return found.violations.map(
      (one: Result) =>
        `${one.id}: ${one.help}\n` +
        one.nodes
          .map(node => `  ${node.html.slice(0, 160)}\n    ${node.failureSummary ?? ''}`)
          .join('\n')
    );
  });
  expect(violations).toEqual([]);
}

/** Open all sections of a form. */
async function unfold(form: Locator): Promise<void> {
  const folded = form.locator('details:not([open]) > summary');
  while ((await folded.count()) > 0) {
    await folded.first().click();
  }
}

/** Nothing in it is cut off or leads out of the window to the side. */
async function expectFits(where: Locator): Promise<void> {
  const wide = await where.evaluate(element =>
    [element, ...element.querySelectorAll<HTMLElement>('*')]
      .filter(one => one instanceof HTMLElement && one.offsetParent !== null)
      .filter(one => !one.closest('pre, table, .jp-Unattended-lines, .jp-Unattended-notebookHost'))
      .filter(one => {
        const { overflowX, textOverflow } = getComputedStyle(one);
        const mayBeCut = textOverflow === 'ellipsis' || ['auto', 'scroll'].includes(overflowX);
        return !mayBeCut && one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0;
      })
      .map(one => `${one.tagName}.${one.className}: ${one.scrollWidth} in ${one.clientWidth}`)
  );
  expect(wide).toEqual([]);
  const box = (await where.boundingBox())!;
  const width = where.page().viewportSize()!.width;
  expect(box.x + box.width).toBeLessThanOrEqual(width + 1);
}

for (const theme of THEMES) {
  test(`${theme}: the form, the panel, a job and a comparison`, async ({ page, lab }) => {
    lab.setting('@jupyterlab/apputils-extension/themes', { theme });
    const screen = new Screen(page);
    await screen.open(lab, 'train.ipynb');
    await screen.showPanel();
    await expect(screen.jobs).toHaveCount(4);
    await expectAccessible(page, screen.panel);

    await screen.button().click();
    const form = screen.form(FORM);
    await form.getByRole('textbox', { name: 'epochs' }).fill('many');
    await expect(form.getByText('Write a whole number.')).toBeVisible();
    await unfold(form);
    await form.getByRole('button', { name: 'Add a variable' }).click();
    await expectAccessible(page, form);
    await form.getByRole('textbox', { name: 'epochs' }).fill('2');
    await form.getByRole('button', { name: 'Remove variable 1' }).click();
    await form.getByRole('button', { name: 'Preview' }).click();
    await form.getByRole('region', { name: 'Preview' }).waitFor();
    await expectAccessible(page, form);
    await form.getByRole('button', { name: 'Cancel' }).click();

    await screen.jobs.filter({ hasText: /^long/ }).click();
    const job = screen.job('long');
    await expect(job.getByRole('log')).toContainText(/epoch \d+:/);
    for (const part of ['Log', 'Notebook', 'Metrics', /^Attempts/, 'Files', 'Details']) {
      await screen.part(job, part);
      await expect(job.getByText(/^Reading the /)).toHaveCount(0);
      await expectAccessible(page, job);
    }
    await screen.jobs.filter({ hasText: /^broken/ }).click();
    await expectAccessible(page, screen.job('broken'));

    await screen.jobs.filter({ hasText: /^one/ }).click();
    await screen.jobs.filter({ hasText: /^two/ }).click({ modifiers: ['Control'] });
    await expectAccessible(page, screen.panel);
    await screen.panel.getByRole('button', { name: 'Compare' }).click();
    const compare = page.getByRole('region', { name: 'Compare 2 jobs' });
    await expect(compare.getByRole('figure')).toHaveCount(2);
    await expectAccessible(page, compare);
  });
}

test('in a narrow window', async ({ page, lab }) => {
  lab.setting('@jupyterlab/apputils-extension/themes', { theme: THEMES[0] });
  await page.setViewportSize({ width: 420, height: 720 });
  const screen = new Screen(page);
  await page.goto(lab.url('lab/tree/asks.ipynb?reset'));
  await page.getByRole('tab', { name: /^File Browser/ }).click(); // folds the sidebar
  await page.locator('.jp-Notebook .jp-Cell').first().click();
  await page.keyboard.press('Control+Alt+u');
  const asks = screen.form(/^Run asks\.ipynb/);
  await asks.getByRole('button', { name: 'Cell 2, line 2' }).waitFor();
  await expectFits(asks);
  await asks.getByRole('button', { name: 'Cancel' }).click();

  await page.goto(lab.url('lab/tree/train.ipynb?reset'));
  await page.getByRole('tab', { name: /^File Browser/ }).click();
  await page.getByRole('heading', { name: 'A training run' }).click();
  await page.keyboard.press('Control+Alt+u');
  const form = screen.form(FORM);
  await form.getByRole('textbox', { name: 'epochs' }).waitFor();
  await unfold(form);
  await form.getByRole('button', { name: 'Add a variable' }).click();
  await expectFits(form);
  await expectAccessible(page, form);
  await expect(form.getByRole('button', { name: 'Run unattended' })).toBeInViewport();
  await form.getByRole('button', { name: 'Cancel' }).click();

  await screen.showPanel();
  await expectFits(screen.panel);
  await screen.jobs.filter({ hasText: /^long/ }).click();
  await page.getByRole('tab', { name: 'Unattended jobs' }).click(); // folds the sidebar
  const job = screen.job('long');
  await expect(job.getByRole('log')).toContainText(/epoch \d+:/);
  for (const part of ['Log', 'Metrics', /^Attempts/, 'Files', 'Details']) {
    await screen.part(job, part);
    await expect(job.getByText(/^Reading the /)).toHaveCount(0);
    await expectFits(job);
  }
});

test('from the form to the end of the job by keyboard alone', async ({ page, lab }) => {
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await page.getByRole('heading', { name: 'A training run' }).click();
  await page.keyboard.press('Control+Alt+u');
  const form = screen.form(FORM);
  await expect(form.getByRole('textbox', { name: 'epochs' })).toBeFocused();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('2');
  const tabTo = async (target: Locator, key = 'Tab') => {
    for (let presses = 0; presses < 40; presses++) {
      if (await target.evaluate(one => one === document.activeElement)) {
        return;
      }
      await page.keyboard.press(key);
    }
    await expect(target).toBeFocused();
  };
  // A folded section is opened, what is in it is reached, a box is ticked.
  await tabTo(form.locator('summary', { hasText: 'Environment variables' }));
  await page.keyboard.press('Enter');
  await tabTo(form.getByRole('button', { name: 'Add a variable' }));
  await page.keyboard.press('Enter');
  await tabTo(form.getByRole('textbox', { name: 'Name of variable 1' }), 'Shift+Tab');
  await page.keyboard.type('COLOUR');
  await page.keyboard.press('Tab');
  await page.keyboard.type('green');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await expect(form.getByRole('checkbox', { name: 'Secret' })).toBeChecked();
  await page.keyboard.press('Space');
  await tabTo(form.getByRole('button', { name: 'Preview' }));
  await page.keyboard.press('Enter');
  await expect(form.getByRole('region', { name: 'Preview' })).toBeFocused();
  await expect(form.getByRole('region', { name: 'Preview' })).toContainText('COLOUR');
  await tabTo(form.getByRole('button', { name: 'Back to the form' }));
  await page.keyboard.press('Enter');
  await expect(form.getByRole('textbox', { name: 'epochs' })).toHaveValue('2');
  await tabTo(form.getByRole('button', { name: 'Run unattended' }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(form).toBeHidden();

  await screen.showPanel();
  await screen.panel.getByRole('listbox', { name: 'Jobs' }).focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  const job = screen.job('train');
  await expect(job.getByRole('status', { name: 'State' })).toContainText('Succeeded');
  await job.getByRole('tab', { name: 'Log' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(job.getByRole('tab', { name: 'Notebook' })).toBeFocused();
  await page.keyboard.press('End');
  await expect(job.getByRole('tab', { name: 'Details' })).toBeFocused();
  await expect(job.getByText('COLOUR', { exact: true })).toBeVisible();
});
