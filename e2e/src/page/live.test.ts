import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { installEmbedded, startEmbedded } from '../embedded/system.ts';
import { openVisitor } from './browser.ts';
import { openStack } from './stack.ts';
import { operate, readCode, requestVoucher, setNext, signIn, signOut, signUp, untilLive } from './user.ts';

const stack = openStack();

const light = (page: Page, phase: string) => page.locator(`.light[data-phase="${phase}"]`).waitFor();
const listed = (page: Page) => page.locator('.row-code').allTextContents();

describe('page: live', () => {
  it('network: two codes that came while it was cut appear on return, once, in order', async () => {
    const { browser, system } = stack;
    await using network = await startTcpProxy(system.gatewayUrl);
    await using visitor = await openVisitor(browser, network.url);
    const { page } = visitor;
    const user = await signUp(page);
    await untilLive(page);
    await setNext(system, user, { delayMs: 5_000, times: 2 });
    for (let request = 0; request < 2; request += 1) {
      await page.goto(network.url);
      await untilLive(page);
      await requestVoucher(page);
      await page.waitForURL(/requests\//);
      await page.getByText('Waiting for the provider').waitFor();
    }
    await page.goto(network.url);
    await untilLive(page);
    await page.locator('.row-code').nth(1).waitFor();
    network.cut();
    await light(page, 'reconnecting');
    await visitor.look('11-reconnecting');
    // The test restores the network only once both codes are stored.
    const token = await page.evaluate(() => JSON.parse(sessionStorage.getItem('voucher-gateway:session') ?? '').token);
    const stored = async () => {
      const response = await fetch(`${system.gatewayUrl}/voucher`, { headers: { authorization: token } });
      return ((await response.json()) as { nodes: { code: string }[] }).nodes.map(({ code }) => code);
    };
    await expect.poll(async () => (await stored()).length).toBe(2);
    network.restore();
    await page.getByText('Back online, 2 codes').waitFor();
    const codes = await stored();
    await expect.poll(async () => (await listed(page)).toSorted()).toEqual(codes.toSorted());
    // The list shows the codes. So the codes are only in the log for screen readers, and no message about them is
    // shown.
    expect(await page.getByRole('log').locator('code').allTextContents()).toEqual(codes);
    expect(await page.locator('.toast').count()).toBe(0);
    await page.locator('.light').click();
    await page.getByText('2 codes arrived while you were offline, and are shown now.').waitFor();
    await visitor.look('12-caught-up');
  });

  it('gateway: after its restart the page continues by itself', async () => {
    await using installation = await installEmbedded({ VPS_PROFILE: 'fast' });
    let system = await installation.start();
    try {
      await using visitor = await openVisitor(stack.browser, system.gatewayUrl);
      const { page } = visitor;
      const user = await signUp(page);
      await untilLive(page);
      await setNext(system, user, { delayMs: 4_000 });
      await requestVoucher(page);
      await page.getByText('Waiting for the provider').waitFor();
      await system.stop('SIGKILL');
      await light(page, 'reconnecting');
      system = await installation.start();
      await untilLive(page);
      expect(await readCode(page)).toMatch(/^VC-/);
    } finally {
      await system[Symbol.asyncDispose]();
    }
  });

  it('tabs: two of one user both show the code', async () => {
    const { browser, system } = stack;
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const user = await signUp(visitor.page);
    const tab = await visitor.openTab();
    await signIn(tab, user);
    await Promise.all([untilLive(visitor.page), untilLive(tab)]);
    await requestVoucher(visitor.page);
    const code = await readCode(visitor.page);
    await expect.poll(() => listed(tab)).toEqual([code]);
    await expect.poll(() => tab.getByRole('log').locator('code').allTextContents()).toEqual([code]);
  });

  it('codes: many at once are shown without a read for each', async () => {
    const { browser, system } = stack;
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await untilLive(page);
    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    await page.getByText('No vouchers yet').waitFor();
    let reads = 0;
    page.on('request', (request) => {
      if (request.postData()?.includes('"operationName":"PurchasedVouchers"')) reads += 1;
    });
    const startedAt = Date.now();
    const count = 60;
    await Promise.all(
      Array.from({ length: count }, () => operate(page, 'mutation { requestVoucher(input: {}) { id } }')),
    );
    const stored = async () => {
      const { purchasedVouchers } = await operate(page, `{ purchasedVouchers(last: ${count}) { nodes { code } } }`);
      return (purchasedVouchers as { nodes: { code: string }[] }).nodes.map(({ code }) => code);
    };
    await expect.poll(async () => (await stored()).length).toBe(count);
    const newest = (await stored()).toReversed().slice(0, 20);
    await expect.poll(() => page.locator('tbody code').allTextContents()).toEqual(newest);
    // The page reads the list at most once per second, and once more at the end.
    expect(reads).toBeLessThanOrEqual(Math.ceil((Date.now() - startedAt) / 1_000) + 1);
  });

  it('codes: are listed while each read takes longer than the next one takes to come', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await untilLive(page);
    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    await page.getByText('No vouchers yet').waitFor();
    const held = Promise.withResolvers<void>();
    await page.route('**/graphql', async (route) => {
      if (route.request().postData()?.includes('"operationName":"PurchasedVouchers"')) await held.promise;
      await route.fallback();
    });
    const aborted: string[] = [];
    page.on('requestfailed', (request) => aborted.push(request.postData() ?? ''));
    for (const count of [1, 2, 3]) {
      await operate(page, 'mutation { requestVoucher(input: {}) { id } }');
      await expect.poll(() => page.locator('tbody tr').count()).toBe(count);
    }
    const listed = await page.locator('tbody code').allTextContents();
    held.resolve();
    await expect.poll(() => page.getByText('no callback URL given').count()).toBe(3);
    expect(await page.locator('tbody code').allTextContents()).toEqual(listed);
    expect(aborted).toEqual([]);
  });

  it('messages: tell of a code elsewhere in the page, and of several at once', async () => {
    const { browser, system } = stack;
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await untilLive(page);
    await page.getByRole('link', { name: 'Callbacks' }).click();
    for (const expected of ['Your voucher code is here', '2 new codes', '3 new codes']) {
      await operate(page, 'mutation { requestVoucher(input: {}) { id } }');
      await page.locator('.toast', { hasText: expected }).waitFor();
      expect(await page.locator('.toast').count()).toBe(1);
    }
    await visitor.look('14-new-codes');
  });

  it('users: never see each other, even one after the other in a tab', async () => {
    const { browser, system } = stack;
    await using ann = await openVisitor(browser, system.gatewayUrl);
    await using bob = await openVisitor(browser, system.gatewayUrl);
    await signUp(ann.page);
    await signUp(bob.page);
    await Promise.all([untilLive(ann.page), untilLive(bob.page)]);
    await requestVoucher(ann.page);
    const code = await readCode(ann.page);
    await bob.page.goto(ann.page.url());
    await bob.page.getByText('There is no such request').waitFor();
    expect(await bob.page.content()).not.toContain(code);
    await signOut(ann.page);
    await signUp(ann.page);
    await ann.page.getByText('There is no such request').or(ann.page.getByText('No requests yet')).first().waitFor();
    expect(await ann.page.content()).not.toContain(code);
  });

  it('session: its end while waiting asks to sign in again, and keeps the page', async () => {
    await using system = await startEmbedded({ VPS_PROFILE: 'fast', SESSION_IDLE: '4s' });
    await using visitor = await openVisitor(stack.browser, system.gatewayUrl);
    const { page } = visitor;
    const user = await signUp(page);
    await untilLive(page);
    await setNext(system, user, { delayMs: 6_000 });
    await requestVoucher(page);
    await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor();
    await visitor.look('13-session-ended');
    await page.getByLabel('Password').fill(user.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    expect(await readCode(page)).toMatch(/^VC-/);
  });
});
