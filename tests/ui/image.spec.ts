/** Which image a job runs in: the one of before, one with a name, or one that is made in the form. */

import * as fs from 'fs';
import * as path from 'path';

import { expect, Screen, test } from './fixtures';

test.describe.configure({ mode: 'serial' });

const FORM = /^Run train\.ipynb unattended$/;
const NAME = 'localhost/train:0123456789ab';

/** A builder that comes to its third step and stays there; tests/container has real ones. */
const BUILDER = `#!/bin/bash
case $1 in
  info) echo '{"version": {"Version": "4.3.1"}, "host": {"security": {"rootless": false}}}' ;;
  build) echo 'STEP 3/9: RUN pip install iniconfig'; echo Collecting iniconfig; exec sleep 600 ;;
  *) exit 1 ;;
esac
`;

test.beforeAll(({ lab }) => {
  lab.copy('train.ipynb');
  const builder = path.join(lab.bin, 'podman');
  fs.writeFileSync(builder, BUILDER);
  fs.chmodSync(builder, 0o755);
});

test.afterAll(({ lab }) => {
  fs.rmSync(path.join(lab.bin, 'podman'));
});

test('an image is made, and what happens can be seen and stopped', async ({ page, lab }) => {
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  const form = screen.form(FORM);
  await form.getByRole('radio', { name: /^container / }).check();
  await form.getByRole('radio', { name: 'Make one for this notebook' }).check();
  await form.getByRole('combobox', { name: 'Made from' }).fill('mine:1');
  await form.getByRole('button', { name: 'Make and try it' }).click();
  await expect(form.getByText('Step 3 of 9: RUN pip install iniconfig')).toBeVisible();
  await expect(form.getByText('Collecting iniconfig')).toBeVisible();
  await expect(form.getByRole('progressbar', { name: 'Progress of the image' })).toBeVisible();
  expect(fs.readFileSync(path.join(lab.root, 'Containerfile'), 'utf8')).toContain('FROM mine:1');

  // It goes on without the browser.
  await page.reload();
  await screen.button().click();
  await form.getByRole('radio', { name: /^container / }).check();
  await form.getByRole('radio', { name: 'Make one for this notebook' }).check();
  await expect(form.getByText('Step 3 of 9: RUN pip install iniconfig')).toBeVisible();
  await form.getByRole('button', { name: 'Stop making it' }).click();
  await expect(form.getByText('No image was made.')).toBeVisible();
});

test('the image that was made is taken, and what is missing is said', async ({ page, lab }) => {
  const image = { name: NAME, seconds: 12 };
  const made = {
    written: [],
    kept: ['Containerfile'],
    ties: [{ message: '/data, 170 MB: mount read-only', option: '--data /data:ro', fix: '' }]
  };
  const lacks = [
    { message: 'the module a is not in the image', line: 'a==1', where: 'requirements.txt' }
  ];
  const states: { [phase: string]: object } = {
    none: { phase: 'none' },
    trying: { phase: 'trying', image, made, step: { number: 9, total: 9, text: 'CMD' } },
    lacking: {
      phase: 'lacking',
      image,
      made,
      trial: { ran: false, reason: 'cell 1 failed', lacks }
    },
    done: { phase: 'done', image, made, trial: { ran: true, seconds: 3, reason: '', lacks: [] } }
  };
  let phase = 'none';
  await page.route(/jupyter-unattended\/image/, route => {
    if (route.request().method() === 'POST') {
      phase = 'trying';
    }
    return route.fulfill({ json: states[phase] });
  });
  const screen = new Screen(page);
  await screen.open(lab, 'train.ipynb');
  await screen.button().click();
  const form = screen.form(FORM);
  await form.getByRole('radio', { name: /^container / }).check();
  await form.getByRole('radio', { name: 'Make one for this notebook' }).check();
  const name = form.getByRole('textbox', { name: 'Name of the image' });
  for (const end of ['lacking', 'done']) {
    await form.getByRole('button', { name: 'Make and try it' }).click();
    await expect(form.getByText(`Trying the notebook in ${NAME}…`)).toBeVisible();
    phase = end;
    if (end === 'lacking') {
      await expect(form.getByRole('alert')).toHaveText(/did not run in the image: cell 1 failed/);
      await expect(form.getByText('Add to requirements.txt: a==1')).toBeVisible();
      await expect(name).toHaveValue('');
    }
  }
  await expect(form.getByText(`The notebook ran in ${NAME}.`)).toBeVisible();
  await expect(form.getByText('--data /data:ro')).toBeVisible();
  await expect(name).toHaveValue(NAME);
  await form.getByRole('button', { name: 'Preview' }).click();
  const preview = form.getByRole('region', { name: 'Preview' });
  await expect(preview).toContainText('podman run');
  await expect(preview).toContainText(NAME);
});
