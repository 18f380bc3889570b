import type { Locator, Page } from '@playwright/test';
import { expect, test as base } from '@playwright/test';

import { Lab } from './lab';

/** A test with a JupyterLab of its file's own, if the file calls `test.use({ file: __filename })`. */
export const test = base.extend<object, { file: string; lab: Lab }>({
  file: ['', { option: true, scope: 'worker' }],
  lab: [
    async ({}, use) => {
      const lab = await Lab.create();
      await use(lab);
      await lab.dispose();
    },
    { scope: 'worker', timeout: 120000 }
  ]
});

/** The parts of the product, by the names that a person (or a screen reader) knows them by. */
export class Screen {
  constructor(readonly page: Page) {}

  /** The panel in the left sidebar. */
  get panel(): Locator {
    return this.page.getByRole('region', { name: 'Unattended jobs' });
  }

  /** The list of jobs in the panel. */
  get jobs(): Locator {
    return this.panel.getByRole('listbox', { name: 'Jobs' }).getByRole('option');
  }

  /** The form for a notebook, or for a clone. */
  form(title: string | RegExp): Locator {
    return this.page.getByRole('region', { name: title });
  }

  /** A job's tab. */
  job(name: string): Locator {
    return this.page.getByRole('region', { name: new RegExp(`^Unattended job ${name} `) });
  }

  async open(lab: Lab, notebook: string): Promise<void> {
    await this.page.goto(lab.url(`lab/tree/${notebook}?reset`));
    await this.button().waitFor();
  }

  /** The button in the notebook's toolbar. */
  button(): Locator {
    return this.page.getByRole('toolbar').getByRole('button', { name: 'Run unattended' }).first();
  }

  async showPanel(): Promise<void> {
    await this.page.getByRole('tab', { name: 'Unattended jobs' }).click();
    await this.panel.waitFor();
  }

  /** Submit the notebook in front as it is, under a name. */
  async submit(
    title: RegExp,
    name: string,
    values: { [label: string]: string } = {}
  ): Promise<void> {
    const form = this.form(title);
    await form.getByRole('textbox', { name: 'Name', exact: true }).fill(name);
    for (const [label, value] of Object.entries(values)) {
      await form.getByRole('textbox', { name: label }).fill(value);
    }
    await form.getByRole('button', { name: 'Run unattended' }).click();
    await expect(form).toBeHidden();
  }

  /** Show a job from the notification that tells of its submission. */
  async show(name: string): Promise<void> {
    await this.page
      .getByRole('alert')
      .filter({ hasText: `${name} was submitted` })
      .getByRole('button', { name: 'Show' })
      .click();
    await this.job(name).waitFor();
  }

  async part(job: Locator, name: string | RegExp): Promise<Locator> {
    await job.getByRole('tab', { name }).click();
    return job.getByRole('tabpanel', { name });
  }

  /** Answer a question that a dialog asks. */
  async answer(button: string): Promise<void> {
    await this.page.getByRole('dialog').getByRole('button', { name: button }).click();
  }
}

export { expect };
