/** Ways in and out: menus, palette, shortcuts, notifications, what is said when versions differ. */

import * as fs from 'fs';
import * as path from 'path';

import { expect, Screen, test } from './fixtures';

test.use({ file: __filename });

const FORM = /^Run train\.ipynb unattended$/;

test.beforeAll(({ lab }) => {
  lab.copy('train.ipynb');
  fs.writeFileSync(path.join(lab.root, 'notes.txt'), 'no notebook');
  lab.setting('@jupyterlab/shortcuts-extension/shortcuts', {
    shortcuts: [{ command: 'unattended:run', keys: ['Accel Alt J'], selector: '.jp-Notebook' }]
  });
});

test('the command is where people look for it', async ({ page, lab }) => {
  const screen = new Screen(page);
  const form = screen.form(FORM);
  const close = async () => {
    await expect(form.getByRole('textbox', { name: 'epochs' })).toBeVisible();
    await form.getByRole('button', { name: 'Cancel' }).click();
    await expect(form).toBeHidden();
  };
  await screen.open(lab, 'train.ipynb');

  await page.getByRole('menuitem', { name: 'Run', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Run Unattended…' }).click();
  await close();

  await page.getByRole('heading', { name: 'A training run' }).click();
  await page.keyboard.press('Control+Shift+c');
  await page.keyboard.type('run unattended');
  await page.locator('.lm-CommandPalette-item', { hasText: 'Run unattended' }).click();
  await close();

  // A key of the person's own.
  await page.getByRole('heading', { name: 'A training run' }).click();
  await page.keyboard.press('Control+Alt+j');
  await close();

  // From the file browser, with the notebook closed.
  await page.goto(lab.url('lab?reset'));
  const files = page.getByRole('region', { name: /file browser/i }).first();
  await files.getByText('notes.txt').click({ button: 'right' });
  await expect(page.getByRole('menuitem', { name: /^Open$/ })).toBeVisible();
  await expect(page.getByRole('menuitem', { name: 'Run Unattended…' })).toHaveCount(0);
  await page.keyboard.press('Escape');
  await files.getByText('train.ipynb').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Run Unattended…' }).click();
  await close();
});

test('both sides say so if they are of different versions', async ({ page, lab }) => {
  await page.route('**/jupyter-unattended/status*', route =>
    route.fulfill({ json: { version: '0.0.1' } })
  );
  await page.goto(lab.url('lab?reset'));
  const told = page.getByRole('alert').filter({ hasText: 'Unattended jobs' });
  await expect(told).toContainText(/this page has version \d.* and the server 0\.0\.1/);
  await expect(told).toContainText('Restart the server, then reload the page.');
});

test('a server without our side is told how to get it', async ({ page, lab }) => {
  const ours = new RegExp(`:${lab.port}/jupyter-unattended/`);
  await page.route(ours, route => route.fulfill({ status: 404, body: '' }));
  await page.goto(lab.url('lab?reset'));
  await expect(
    page.getByRole('alert').filter({ hasText: 'jupyter server extension enable' })
  ).toBeVisible();
});

test('the browser itself notifies while another window is in front', async ({
  page,
  lab,
  context
}) => {
  await context.grantPermissions(['notifications']);
  // What the browser shows cannot be seen from inside the page: the constructor notes it.
  await page.addInitScript(() => {
    const Real = window.Notification;
    const shown: object[] = ((window as any).shown = []);
    window.Notification = class extends Real {
      constructor(title: string, options?: NotificationOptions) {
        super(title, options);
        shown.push({ title, body: options?.body });
      }
    };
    Object.defineProperty(document, 'hidden', { get: () => (window as any).away === true });
  });
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  await screen.submit(FORM, 'away', { epochs: '20' });
  await page.evaluate(() => ((window as any).away = true));
  await expect
    .poll(() => page.evaluate(() => (window as any).shown))
    .toEqual([{ title: 'Unattended job', body: 'away is done.' }]);
  await expect(page.getByRole('alert').filter({ hasText: 'away is done.' })).toBeVisible();
});

test('who wants no notifications gets none', async ({ page, lab }) => {
  lab.setting('jupyter-unattended/plugin', { notifyWhenJobsEnd: false });
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  await screen.submit(FORM, 'quiet', { epochs: '3' });
  await screen.showPanel();
  await expect(screen.jobs.filter({ hasText: /^quiet/ })).toContainText('Succeeded');
  await page.waitForTimeout(1500);
  await expect(page.getByRole('alert').filter({ hasText: 'quiet is done.' })).toHaveCount(0);
});

test('where it cannot run is there with the reason, and the image is this server’s', async ({
  page,
  lab
}) => {
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  const form = screen.form(FORM);
  const places = form.getByRole('radiogroup', { name: 'Where' });
  await expect(places.getByRole('radio', { name: /^local/ })).toBeChecked();
  const disabled = places.getByRole('radio', { disabled: true });
  expect(await disabled.count()).toBeGreaterThan(0);
  for (const one of await disabled.all()) {
    const id = await one.getAttribute('aria-describedby');
    await expect(form.locator(`[id="${id}"]`)).toHaveText(/\S+ \S+ \S+/);
  }
  const advanced = form.locator('details', { hasText: 'Grace period' });
  await expect(advanced).not.toHaveAttribute('open');
  await advanced.locator('summary').click();
  await expect(form.getByRole('textbox', { name: 'Image' })).toHaveAttribute(
    'placeholder',
    'same as this server'
  );
  await expect(form.getByRole('textbox', { name: 'Workspace' })).toHaveValue(lab.root);

  // What will be installed can be edited, and is what the job gets.
  await form.locator('summary', { hasText: 'Requirements' }).click();
  await form.getByRole('textbox', { name: 'What start.sh installs' }).fill('# nothing else\n');
  await form.getByRole('button', { name: 'Preview' }).click();
  await expect(form.getByRole('region', { name: 'Preview' })).toContainText('# nothing else');
});
