import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The folder of the screenshots, which the run leaves behind. */
export const screenshots = fileURLToPath(new URL('../../screenshots/', import.meta.url));

export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
  if (!executablePath)
    throw new Error('These tests need Chromium: apt-get install chromium, or set CHROMIUM to its path.');
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** A browser's profile with one tab, which notes whatever a user would call broken. */
export interface Visitor extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Opens another tab of the same profile. */
  openTab(): Promise<Page>;
  /** Errors and warnings of the console, uncaught errors, and requests to other origins. */
  readonly problems: readonly string[];
  /** The sum of the layout shifts since the page was loaded that the user did not cause. */
  layoutShift(): Promise<number>;
  /** Checks accessibility by axe, and keeps a screenshot by this name. */
  look(name: string): Promise<void>;
}

/** A script of the page, before its own. */
const sumLayoutShifts = `
  globalThis.layoutShift = 0;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) globalThis.layoutShift += value;
  }).observe({ type: 'layout-shift', buffered: true });
`;

export async function openVisitor(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  await context.addInitScript(sumLayoutShifts);
  const problems: string[] = [];
  const watch = (page: Page) => {
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(url).host) problems.push(`a request to ${request.url()}`);
    });
  };
  const openTab = async () => {
    const page = await context.newPage();
    watch(page);
    await page.goto(url);
    return page;
  };
  const page = await openTab();
  return {
    page,
    context,
    openTab,
    problems,
    layoutShift: () => page.evaluate<number>('globalThis.layoutShift'),
    async look(name) {
      await page.evaluate(axe.source);
      const violations = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: { run(context: object): Promise<{ violations: AxeViolation[] }> };
        };
        // A tooltip belongs to what it describes, not to a landmark.
        return (await axe.run({ exclude: ['[data-radix-popper-content-wrapper]'] })).violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(', ')}`,
        );
      });
      expect(violations).toEqual([]);
      await page.screenshot({ path: `${screenshots}${name}.png`, animations: 'disabled' });
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

interface AxeViolation {
  id: string;
  nodes: { html: string }[];
}
