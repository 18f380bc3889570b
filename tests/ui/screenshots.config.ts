import { defineConfig } from '@playwright/test';

import config from './playwright.config';

/** `make screenshots`: the pictures of the README, from the running product. */
export default defineConfig({
  ...config,
  testMatch: '*.pictures.ts',
  use: {
    ...config.use,
    viewport: { width: 1280, height: 800 },
    deviceScaleFactor: 1.25,
    trace: 'off'
  }
});
