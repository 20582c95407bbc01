import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The folder of the screenshots, which stay after the run. */
export const screenshots = fileURLToPath(new URL('../../screenshots/', import.meta.url));

export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
  if (!executablePath)
    throw new Error('These tests need Chromium: apt-get install chromium, or set CHROMIUM to its path.');
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** A browser's profile with one tab. `problems` records what a user would notice. */
export interface Visitor extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Opens another tab of the same profile. */
  openTab(): Promise<Page>;
  /** Errors and warnings of the console, uncaught errors, and requests to other origins. */
  readonly problems: readonly string[];
  /**
   * Returns the layout shifts since the page was loaded that moved visible elements up or down. Shifts within half a
   * second of user input do not count.
   */
  layoutShifts(): Promise<LayoutShift[]>;
  /**
   * Checks accessibility with axe, and stores a screenshot as `<name>.png`. With `fullPage` the screenshot shows the
   * whole page.
   */
  look(name: string, options?: { fullPage?: boolean }): Promise<void>;
}

/** A shift of the page's layout, as Core Web Vitals count it. */
export interface LayoutShift {
  score: number;
  /** The moved elements, with their distance from the top before and after the shift. */
  moved: string[];
}

/** This script runs in the page before the page's own scripts. */
const noteLayoutShifts = `
  globalThis.layoutShifts = [];
  const nameOf = (node) => node ? (node.nodeName + '.' + node.className + ' ' + node.textContent.slice(0, 40)) : 'removed';
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      const moved = sources.filter(({ previousRect, currentRect }) => previousRect.top !== currentRect.top);
      if (!hadRecentInput && moved.length > 0)
        globalThis.layoutShifts.push({
          score: value,
          moved: moved.map(({ node, previousRect, currentRect }) =>
            nameOf(node) + ': ' + previousRect.top + ' to ' + currentRect.top),
        });
    }
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
  await context.addInitScript(noteLayoutShifts);
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
    layoutShifts: () => page.evaluate<LayoutShift[]>('globalThis.layoutShifts'),
    async look(name, options) {
      await page.evaluate(axe.source);
      const violations = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: { run(context: object): Promise<{ violations: AxeViolation[] }> };
        };
        // Tooltips are excluded, because they belong to the element that they describe and not to a landmark.
        return (await axe.run({ exclude: ['[data-radix-popper-content-wrapper]'] })).violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(', ')}`,
        );
      });
      expect(violations).toEqual([]);
      // A screenshot of the full page draws the sticky header at the scroll position, so the page is scrolled to the top.
      if (options?.fullPage) await page.evaluate('scrollTo(0, 0)');
      await page.screenshot({ path: `${screenshots}${name}.png`, animations: 'disabled', ...options });
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

interface AxeViolation {
  id: string;
  nodes: { html: string }[];
}
