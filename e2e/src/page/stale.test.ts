import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { startEmbedded } from '../embedded/system.ts';
import { openVisitor } from './browser.ts';
import { away, onOperation, openUser } from './gallery.ts';
import { openStack } from './stack.ts';
import { operate, readCode, requestVoucher, setNext, signUp, untilLive } from './user.ts';

const stack = openStack({ RATE_LIMITS: 'off' });

const rows = (page: Page) => page.locator('.rows li');
const requestElsewhere = (page: Page) => operate(page, 'mutation { requestVoucher(input: {}) { id } }');
const requestMany = (page: Page, count: number) =>
  Promise.all(Array.from({ length: count }, () => requestElsewhere(page)));

describe('page: what is not current', () => {
  it('lists: that could not be read again say so, and are read again by a button', async () => {
    await using visitor = await openUser(stack);
    const { page } = visitor;
    await requestVoucher(page);
    await readCode(page);
    for (const name of ['VoucherRequests', 'VoucherRequest']) await onOperation(page, name, away);
    await requestElsewhere(page);
    const list = page.getByRole('region', { name: 'Your requests' });
    await list.getByText('Not up to date').waitFor();
    await page.getByRole('article').getByText('Not up to date').waitFor();
    // The list shows the new request already, because the event of its code has arrived.
    await expect.poll(() => rows(page).count()).toBe(2);
    await visitor.look('36-not-up-to-date');
    await page.unrouteAll({ behavior: 'wait' });
    await list.getByRole('button', { name: 'Try again' }).click();
    await list.getByText('Not up to date').waitFor({ state: 'detached' });
    expect(await rows(page).count()).toBe(2);
  });

  it('lists: a read without an answer is given up, and made again', async () => {
    await using visitor = await openUser(stack);
    const { page } = visitor;
    await page.getByText('No requests yet').waitFor();
    let reads = 0;
    await onOperation(page, 'VoucherRequests', async (route) => {
      reads += 1;
      if (reads > 1) await route.fallback();
    });
    await requestElsewhere(page);
    // The page gives up the first read after 10 s, and then reads again.
    await expect.poll(() => reads, { timeout: 20_000 }).toBeGreaterThan(1);
    await page.getByText('Not up to date').waitFor({ state: 'detached' });
    expect(await rows(page).count()).toBe(1);
  });

  it('offline: another page of a list is an error, and never the page before', async () => {
    await using visitor = await openUser(stack);
    const { page, context } = visitor;
    await requestMany(page, 11);
    await page.reload();
    await untilLive(page);
    await page.getByRole('button', { name: 'Older' }).waitFor();
    await context.setOffline(true);
    await page.getByRole('button', { name: 'Older' }).click();
    await page.getByText('We couldn’t load your requests.').waitFor();
    expect(await rows(page).count()).toBe(0);
    await page.getByRole('button', { name: 'Newest' }).click();
    await expect.poll(() => rows(page).count()).toBe(10);
    await page.getByRole('button', { name: 'Older' }).click();
    await page.getByText('We couldn’t load your requests.').waitFor();
    await context.setOffline(false);
    await expect.poll(() => rows(page).count()).toBe(1);
  });

  it('offline: a search shows no voucher that does not match', async () => {
    await using visitor = await openUser(stack);
    const { page, context } = visitor;
    await requestMany(page, 2);
    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    await expect.poll(() => page.locator('tbody tr').count()).toBe(2);
    await context.setOffline(true);
    await page.getByLabel('Code').fill('VC-0');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('We couldn’t load your vouchers.').waitFor();
    expect(await page.locator('tbody tr').count()).toBe(0);
    await context.setOffline(false);
    await page.getByText('No voucher matches').waitFor();
  });

  it('offline: a session that ends meanwhile is continued, with the code that came', async () => {
    await using system = await startEmbedded({ VPS_PROFILE: 'fast', SESSION_IDLE: '5s' });
    await using visitor = await openVisitor(stack.browser, system.gatewayUrl);
    const { page, context } = visitor;
    const user = await signUp(page);
    await untilLive(page);
    await setNext(system, user, { delayMs: 4_000 });
    await requestVoucher(page);
    await page.getByText('Waiting for the provider').waitFor();
    await context.setOffline(true);
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' });
    await dialog.waitFor();
    await page.locator('.light[data-phase="closed"]', { hasText: 'Signed out' }).waitFor();
    await page.getByLabel('Password').fill(user.password);
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
    await dialog.getByRole('alert').filter({ hasText: 'Check the connection' }).waitFor();
    await visitor.look('18-session-ended-offline');
    await context.setOffline(false);
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
    expect(await readCode(page)).toMatch(/^VC-/);
    await page.getByText('Back online, 1 code').waitFor();
  });
});

describe('page: light', () => {
  it('light: says why codes are not live, and connects again by a button', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    let isRefused = true;
    await page.routeWebSocket(/graphql/, (socket) =>
      isRefused ? socket.close({ code: 4429, reason: 'Too many initialisation requests' }) : socket.connectToServer(),
    );
    const user = await signUp(page);
    const light = page.locator('.light[data-phase="closed"]', { hasText: 'Not live' });
    await light.waitFor();
    // Without a live connection, the page polls until the code is here.
    await setNext(stack.system, user, { delayMs: 3_000 });
    await requestVoucher(page);
    expect(await readCode(page)).toMatch(/^VC-/);
    await light.click();
    const panel = page.getByRole('dialog', { name: 'Not live' });
    await panel.getByText('Too many initialisation requests, code 4429').waitFor();
    await visitor.look('57-not-live');
    isRefused = false;
    await panel.getByRole('button', { name: 'Connect again' }).click();
    await untilLive(page);
    await requestVoucher(page);
    await page.getByText('Shown on this page').waitFor();
  });
});

describe('page: memory', () => {
  it('page: uses little more after 500 codes', async () => {
    await using visitor = await openUser(stack);
    const { page, context } = visitor;
    const devtools = await context.newCDPSession(page);
    const usage = async () => {
      await devtools.send('HeapProfiler.collectGarbage');
      const { usedSize } = await devtools.send('Runtime.getHeapUsage');
      return { megabytes: usedSize / 1e6, elements: await page.locator('*').count() };
    };
    await requestMany(page, 20);
    const count = async () => page.getByRole('log').locator('code').count();
    await expect.poll(count).toBe(20);
    await expect.poll(() => page.locator('.row-code code').count()).toBe(10);
    const before = await usage();
    for (let batch = 0; batch < 10; batch += 1) await requestMany(page, 50);
    const stored = `{ purchasedVouchers(last: 1) { nodes { code } } }`;
    const shown = async () => {
      const { purchasedVouchers } = await operate(page, stored);
      const [{ code } = { code: '' }] = (purchasedVouchers as { nodes: { code: string }[] }).nodes;
      return (await page.getByRole('log').locator('code').allTextContents()).includes(code);
    };
    await expect.poll(shown).toBe(true);
    const after = await usage();
    console.log(`memory: ${before.megabytes.toFixed(1)} MB after 20 codes, ${after.megabytes.toFixed(1)} MB after 520`);
    expect(after.megabytes - before.megabytes).toBeLessThan(10);
    expect(after.elements - before.elements).toBeLessThan(100);
    expect(visitor.problems).toEqual([]);
  });
});
