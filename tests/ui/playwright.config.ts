import { defineConfig } from '@playwright/test';

import { browser, FLAGS } from './browser';

export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: '../../.cache/playwright',
  // One JupyterLab at a time: machines with two cores are enough.
  workers: 1,
  timeout: 300000,
  expect: { timeout: 30000 },
  retries: 0,
  forbidOnly: !!process.env.CI,
  reporter: [['list']],
  use: {
    actionTimeout: 30000,
    locale: 'en-US',
    viewport: { width: 1400, height: 900 },
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
    launchOptions: { executablePath: browser(), args: FLAGS }
  }
});
