import type { Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { startEmbedded } from '../embedded/system.ts';
import type { System } from '../system.ts';
import { openBrowser } from './browser.ts';

/** Starts a system and a browser for the tests of a file, and stops both after the tests. */
export function openStack(environment: Record<string, string> = {}): {
  readonly system: System;
  readonly browser: Browser;
} {
  let system: System;
  let browser: Browser;
  beforeAll(async () => {
    [system, browser] = await Promise.all([startEmbedded({ VPS_PROFILE: 'fast', ...environment }), openBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await system?.[Symbol.asyncDispose]();
  });
  return {
    get system() {
      return system;
    },
    get browser() {
      return browser;
    },
  };
}
