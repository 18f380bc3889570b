/** The README's pictures, each in both themes. */

import * as fs from 'fs';
import * as path from 'path';

import { expect, Screen, test } from './fixtures';

const PICTURES = path.resolve(__dirname, '..', '..', 'docs', 'pictures');
const EXAMPLES = path.resolve(__dirname, '..', '..', 'examples');
const NOTEBOOK = 'train-digits.ipynb';

const THEMES = [
  ['light', 'JupyterLab Light'],
  ['dark', 'JupyterLab Dark']
];

test.beforeAll(async ({ lab }) => {
  test.setTimeout(240000);
  fs.mkdirSync(PICTURES, { recursive: true });
  fs.copyFileSync(path.join(EXAMPLES, NOTEBOOK), path.join(lab.root, NOTEBOOK));
  lab.copy('fails.ipynb', 'clean-up.ipynb');
  lab.copy('submits.ipynb', 'from-a-cell.ipynb');
  const submit = (notebook: string, name: string, ...rest: string[]) =>
    lab.command('submit', notebook, '--name', name, ...rest).trim();
  // It fails, which is what it is for; `wait` would say so with its exit code.
  submit('clean-up.ipynb', 'nightly clean-up');
  const quick = ['--epochs=40', '--learning-rate=0.01'];
  lab.command('wait', submit(NOTEBOOK, 'digits, fast', '--', ...quick));
  lab.command('wait', submit(NOTEBOOK, 'digits, wide', '--', '--hidden-layers=[256]'));
  submit(NOTEBOOK, 'digits, deep', '--', '--epochs=4000', '--hidden-layers=[96, 64, 32]');
  submit(NOTEBOOK, 'digits, all night', '--cpus', '4', '--', '--epochs=90000');
});

for (const [theme, name] of THEMES) {
  test(`pictures in the ${theme} theme`, async ({ page, lab }) => {
    lab.setting('@jupyterlab/apputils-extension/themes', { theme: name });
    const screen = new Screen(page);
    const shoot = async (picture: string) => {
      await page.waitForTimeout(700);
      await page.screenshot({
        path: path.join(PICTURES, `${picture}-${theme}.png`),
        animations: 'disabled'
      });
    };

    await screen.open(lab, NOTEBOOK);
    await screen.showPanel();
    await expect(screen.jobs).toHaveCount(5);
    await screen.button().click();
    const form = screen.form(/^Run train-digits/);
    await form.getByRole('textbox', { name: 'epochs' }).fill('60');
    await form.getByRole('textbox', { name: 'Name', exact: true }).focus();
    await shoot('form');
    await form.getByRole('button', { name: 'Cancel' }).click();

    await screen.jobs.filter({ hasText: 'digits, deep' }).click();
    const deep = screen.job('digits, deep');
    const metrics = await screen.part(deep, 'Metrics');
    await expect(metrics.getByRole('figure')).toHaveCount(3);
    const progress = deep.getByRole('progressbar', { name: 'Progress of digits, deep' });
    // Enough of it for a line.
    await expect(progress).toHaveAttribute('aria-valuetext', /^([6-9]|\d{2,}) \//, {
      timeout: 120000
    });
    await shoot('metrics');

    await screen.jobs.filter({ hasText: 'digits, wide' }).click();
    const executed = await screen.part(screen.job('digits, wide'), 'Notebook');
    await expect(executed.getByRole('img').first()).toBeVisible();
    await shoot('notebook');

    await screen.jobs.filter({ hasText: 'digits, fast' }).click({ modifiers: ['Control'] });
    await screen.panel.getByRole('button', { name: 'Compare' }).click();
    const compare = page.getByRole('region', { name: 'Compare 2 jobs' });
    await expect(compare.getByRole('figure')).toHaveCount(3);
    await shoot('compare');

    await page.goto(lab.url(`lab/tree/from-a-cell.ipynb?reset`));
    const cell = (index: number) => page.locator('.jp-Notebook .jp-Cell').nth(index);
    const run = async (index: number) => {
      await cell(index).locator('.cm-content').click();
      await page.keyboard.press('Control+Enter');
    };
    await expect(async () => {
      await run(3);
      await expect(cell(3).locator('.jp-InputPrompt')).toHaveText(/\[\d+\]/, { timeout: 5000 });
    }).toPass();
    await run(4);
    const shown = cell(4).locator('.jpu-card');
    await expect(shown.getByLabel('End of the log')).toContainText('epoch 3:');
    await run(5);
    await expect(cell(5).getByRole('button', { name: 'Preview' })).toBeVisible();
    await cell(4).evaluate(element => element.scrollIntoView());
    await shoot('cell');

    // The other theme shows the same jobs.
    lab.command('wait', 'from-a-cell');
    lab.command('delete', '--yes', 'from-a-cell');
  });
}
