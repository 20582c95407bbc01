import type { Locator, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { openVisitor, type Visitor } from './browser.ts';
import { openStack } from './stack.ts';
import { operate, readCode, requestVoucher, setNext, signUp, untilLive } from './user.ts';

const stack = openStack({ RATE_LIMITS: 'off' });

const rows = (page: Page) => page.locator('.rows li');
const offer = (page: Page, text: string) => page.getByRole('button', { name: text, exact: true });

/** Requests vouchers outside of the page, as another tab would. */
async function requestElsewhere(page: Page, count: number): Promise<void> {
  for (let request = 0; request < count; request += 1)
    await operate(page, 'mutation { requestVoucher(input: {}) { id } }');
}

/** Expects that an element stays where it is, and that nothing moves without input of the user. */
async function expectStill(visitor: Visitor, element: Locator, whileDoing: () => Promise<void>): Promise<void> {
  const [boxBefore, shiftsBefore] = [await element.boundingBox(), await visitor.layoutShifts()];
  await whileDoing();
  expect(await element.boundingBox()).toEqual(boxBefore);
  expect(await visitor.layoutShifts()).toEqual(shiftsBefore);
}

async function openWithVouchers(count: number, options = {}): Promise<Visitor> {
  const visitor = await openVisitor(stack.browser, stack.system.gatewayUrl, options);
  const { page } = visitor;
  await signUp(page);
  await untilLive(page);
  await requestElsewhere(page, count);
  await expect.poll(() => page.locator('.row-code code').count()).toBe(count);
  await page.getByText('Stored with your vouchers').waitFor();
  return visitor;
}

describe('layout: rows that arrive', () => {
  it('requests: wait for a click while the pointer is on a row', async () => {
    await using visitor = await openWithVouchers(3);
    const { page } = visitor;
    const row = rows(page).nth(1);
    const shown = await page.getByLabel('Voucher code').textContent();
    await row.hover();
    await expectStill(visitor, row, async () => {
      await requestElsewhere(page, 2);
      await offer(page, 'Show 2 new requests').waitFor();
    });
    expect(await rows(page).count()).toBe(3);
    // The new requests do not replace the request that the user reads.
    expect(await page.getByLabel('Voucher code').textContent()).toBe(shown);
    await visitor.look('15-new-requests');
    await offer(page, 'Show 2 new requests').click();
    expect(await rows(page).count()).toBe(5);
    expect(visitor.problems).toEqual([]);
  });

  it('requests: wait while a row has the focus, and are shown by keyboard', async () => {
    await using visitor = await openWithVouchers(2);
    const { page } = visitor;
    await page.getByRole('button', { name: 'Request a voucher' }).focus();
    const row = rows(page).first().getByRole('link');
    while (!(await row.evaluate((link) => link.matches(':focus')))) await page.keyboard.press('Tab');
    await expectStill(visitor, row, async () => {
      await requestElsewhere(page, 1);
      await offer(page, 'Show 1 new request').waitFor();
    });
    while (!(await offer(page, 'Show 1 new request').evaluate((button) => button.matches(':focus'))))
      await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    expect(await rows(page).count()).toBe(3);
    expect(await row.evaluate((link) => link.matches(':focus'))).toBe(true);
  });

  it('requests: appear at once while nobody reads the list, and the user’s own always', async () => {
    await using visitor = await openWithVouchers(1);
    const { page } = visitor;
    await page.getByRole('heading', { name: 'Request a voucher' }).hover();
    await requestElsewhere(page, 1);
    await expect.poll(() => rows(page).count()).toBe(2);
    await rows(page).last().hover();
    await requestElsewhere(page, 1);
    await offer(page, 'Show 1 new request').waitFor();
    await requestVoucher(page);
    await expect.poll(() => rows(page).count()).toBe(4);
    expect(await page.locator('.new-rows').count()).toBe(0);
    await rows(page).last().hover();
    await requestElsewhere(page, 10);
    await offer(page, 'Show the newest requests').waitFor();
  });

  it('requests: wait for a tap on a phone that shows the list', async () => {
    await using visitor = await openWithVouchers(2, {
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
      reducedMotion: 'reduce',
    });
    const { page } = visitor;
    await page.getByRole('heading', { name: 'Your requests' }).evaluate((heading) => heading.scrollIntoView());
    await expectStill(visitor, rows(page).last(), async () => {
      await requestElsewhere(page, 1);
      await offer(page, 'Show 1 new request').waitFor();
    });
    await visitor.look('16-phone-new-request');
    await offer(page, 'Show 1 new request').tap();
    expect(await rows(page).count()).toBe(3);
  });

  it('vouchers: wait for a click while a row is hovered or the top is out of view', async () => {
    await using visitor = await openWithVouchers(2);
    const { page } = visitor;
    await page.setViewportSize({ width: 1280, height: 400 });
    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    const table = page.locator('tbody tr');
    await expect.poll(() => table.count()).toBe(2);
    await table.last().hover();
    await expectStill(visitor, table.last(), async () => {
      await requestElsewhere(page, 8);
      await offer(page, 'Show 8 new vouchers').waitFor();
    });
    await visitor.look('17-new-vouchers');
    await offer(page, 'Show 8 new vouchers').click();
    expect(await table.count()).toBe(10);
    await page.getByRole('navigation').hover();
    await page.evaluate('scrollTo(0, document.body.scrollHeight)');
    await expectStill(visitor, table.last(), async () => {
      await requestElsewhere(page, 1);
      await offer(page, 'Show 1 new voucher').waitFor({ state: 'attached' });
    });
  });

  it('receiver: keeps what came in where it is while it is read', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByRole('link', { name: 'Callbacks' }).click();
    const receiver = page.getByRole('region', { name: 'Test receiver' });
    const url = (await receiver.locator('code').first().textContent()) ?? '';
    await fetch(url, { method: 'POST', body: '{"type":"first"}' });
    const first = receiver.getByText('first', { exact: true });
    await first.hover();
    await expectStill(visitor, first, async () => {
      await fetch(url, { method: 'POST', body: '{"type":"second"}' });
      await offer(page, 'Show 1 new callback').waitFor();
    });
    await offer(page, 'Show 1 new callback').click();
    await receiver.getByText('second', { exact: true }).waitFor();
  });
});

describe('layout: a request', () => {
  it.each([
    ['screen', {}],
    ['phone', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ])('request: moves nothing on a %s while its steps arrive', async (name, options) => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl, options);
    const { page } = visitor;
    const user = await signUp(page);
    await untilLive(page);
    await setNext(stack.system, user, { delayMs: 5_000 });
    await page.getByRole('button', { name: 'Use the test receiver' }).click();
    await requestVoucher(page);
    await page.getByText('Waiting for the provider').waitFor();
    await rows(page).first().waitFor();
    await visitor.look(`19-${name}-waiting`);
    const shiftsBefore = await visitor.layoutShifts();
    const boxes = () =>
      Promise.all(
        [page.getByRole('heading', { name: 'Request of' }), page.getByRole('switch')].map((each) => each.boundingBox()),
      );
    const boxesBefore = await boxes();
    await readCode(page);
    await page.getByText('Callback delivered').waitFor();
    expect(await boxes()).toEqual(boxesBefore);
    const shifts = (await visitor.layoutShifts()).slice(shiftsBefore.length);
    // Steps of the timeline (LI) may move: if the page reads an earlier step only after a later step, it inserts the
    // earlier step above.
    expect(shifts.flatMap(({ moved }) => moved).filter((each) => !each.startsWith('LI'))).toEqual([]);
    expect(shifts.reduce((sum, { score }) => sum + score, 0)).toBeLessThan(0.01);
  });

  it('pages: keep their buttons under the pointer while another one is read', async () => {
    await using visitor = await openWithVouchers(10);
    const { page } = visitor;
    await requestElsewhere(page, 11);
    await page.reload();
    const older = page.getByRole('button', { name: 'Older' });
    await older.scrollIntoViewIfNeeded();
    const held = Promise.withResolvers<void>();
    await page.route('**/graphql', async (route) => {
      if (route.request().postData()?.includes('"operationName":"VoucherRequests"')) await held.promise;
      await route.fallback();
    });
    await expectStill(visitor, older, async () => {
      await older.click();
      await page.locator('.rows[data-previous="true"]').waitFor();
      held.resolve();
      await page.locator('.rows[data-previous="false"]').waitFor();
    });
    expect(await rows(page).count()).toBe(10);
  });
});
