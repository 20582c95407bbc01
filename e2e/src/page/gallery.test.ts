import { randomUUID } from 'node:crypto';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { away, onOperation, openUser } from './gallery.ts';
import { openStack } from './stack.ts';
import { operate, readCode, requestVoucher, setNext } from './user.ts';

const stack = openStack({ RATE_LIMITS: 'off', VPS_SILENCE_AFTER: '10m' });

/** The lists, each with the operation that reads it. */
const lists = [
  ['requests', '/', 'VoucherRequests'],
  ['vouchers', '/vouchers', 'PurchasedVouchers'],
  ['endpoints', '/callbacks', 'Endpoints'],
] as const;

// The test of the late request waits most of the time. So the other tests run at the same time.
describe('gallery: requests', { concurrent: true }, () => {
  it('request: that is late says so, also once its code is here', async () => {
    await using visitor = await openUser(stack);
    const { page, user } = visitor;
    await setNext(stack.system, user, { delayMs: 36_000 });
    await requestVoucher(page);
    await page.getByText('The code will come by SMS. It also appears here.').waitFor({ timeout: 60_000 });
    // The page shows the time since the request. A code is late 30 s after the request.
    await page.getByText(/^3\d s since the request$/).waitFor();
    await visitor.look('20-late-waiting');
    await readCode(page);
    await page.getByText('SMS simulated').waitFor();
    await page.locator('.details .chip', { hasText: 'Ready, late' }).waitFor();
    // The SMS was only simulated, so that it can't be sent again.
    expect(await page.getByRole('button', { name: 'Send the SMS again' }).count()).toBe(0);
    await visitor.look('21-late-code');
    expect(visitor.problems).toEqual([]);
  });

  it('request: with a callback is followed to its delivery', async () => {
    await using visitor = await openUser(stack);
    const { page, user } = visitor;
    await setNext(stack.system, user, { delayMs: 5_000 });
    await page.getByRole('button', { name: 'Use the test receiver' }).click();
    await requestVoucher(page);
    await readCode(page);
    await page.getByText('Callback delivered').waitFor();
    await page.getByText('Update automatically: done').waitFor();
    expect(await page.getByRole('switch').isDisabled()).toBe(true);
    // The README shows this screenshot.
    await visitor.look('26-delivered');
    expect(visitor.problems).toEqual([]);
  });

  it('request: that fails says why, loudly', async () => {
    await using visitor = await openUser(stack);
    const { page, user } = visitor;
    await setNext(stack.system, user, { fault: 'refuse' });
    await requestVoucher(page);
    await page.getByText('You were not given a voucher').waitFor();
    await page.locator('.details .chip', { hasText: 'Failed' }).waitFor();
    await visitor.look('22-failed');
    expect(visitor.problems).toEqual([]);
  });

  it('request: shows past and next attempts of a callback that fails for a while', async () => {
    await using receiver = await startReceiver();
    receiver.answerWith({ status: 503, body: 'down for maintenance' });
    await using visitor = await openUser(stack);
    const { page } = visitor;
    await page.getByLabel('Callback URL').fill(receiver.url);
    await requestVoucher(page);
    await page.getByText('Callback attempt 1 failed').waitFor();
    await page.getByText('Next callback attempt').waitFor();
    await page.getByText('Your server answered 503 Service Unavailable. Next attempt at').waitFor();
    await page.locator('.request-list .chip.pending', { hasText: 'Callback retrying' }).waitFor();
    // The status of the request is the same in the list and in its details.
    await page.locator('.request-list .chip.done', { hasText: 'Ready' }).waitFor();
    await page.locator('.details .chip.done', { hasText: 'Ready' }).waitFor();
    // The note beside the status does not make the row higher.
    const row = await page.locator('.request-list .rows li').boundingBox();
    expect(row?.height).toBeLessThan(50);
    await visitor.look('23-callback-retried');
    await page.getByRole('switch').click();
    await page.getByText(/Update automatically: off, as of \d/).waitFor();
    await page.locator('.light[data-phase="paused"]', { hasText: 'Paused' }).waitFor();
    await page.locator('.timeline li[data-state="pending"] time', { hasText: /^at \d/ }).waitFor();
    await visitor.look('24-paused');
    expect(visitor.problems).toEqual([]);
  });

  it('request: that does not exist is explained', async () => {
    await using visitor = await openUser(stack);
    const { page } = visitor;
    await page.goto(`${stack.system.gatewayUrl}/requests/${randomUUID()}`);
    await page.getByText('There is no such request').waitFor();
    await visitor.look('25-no-such-request');
  });
});

describe('gallery: lists', () => {
  it.each(lists)('%s: are shown as loading, and as failed with what to do', async (name, path, operation) => {
    await using visitor = await openUser(stack);
    const { page } = visitor;
    const held = Promise.withResolvers<void>();
    await onOperation(page, operation, async (route) => {
      await held.promise;
      await away(route);
    });
    await page.goto(stack.system.gatewayUrl + path);
    await page.locator('.skeleton').first().waitFor();
    await visitor.look(`30-${name}-loading`);
    held.resolve();
    const notice = page.getByRole('alert').filter({ hasText: 'We couldn’t load' });
    await notice.waitFor();
    await notice.getByText('The live connection works').waitFor();
    await visitor.look(`31-${name}-failed`);
    await page.unrouteAll({ behavior: 'wait' });
    await notice.getByRole('button', { name: 'Try again' }).click();
    await notice.waitFor({ state: 'detached' });
    expect(visitor.problems).toEqual([]);
  });

  it('requests and vouchers: of a busy user are paged to the oldest', async () => {
    await using visitor = await openUser(stack);
    const { page } = visitor;
    const request = async () => {
      const { requestVoucher } = await operate(page, 'mutation { requestVoucher(input: {}) { id } }');
      return (requestVoucher as { id: string }).id;
    };
    const oldest = await request();
    await Promise.all(Array.from({ length: 43 }, request));
    const newest = await request();
    await page.reload();
    const list = page.locator('.rows li');
    await expect.poll(() => list.count()).toBe(10);
    await page.locator('.row-code code').nth(9).waitFor();
    await visitor.look('32-many-requests');
    for (const shown of [10, 10, 10, 5]) {
      await page.getByRole('button', { name: 'Older' }).click();
      await expect.poll(() => list.count()).toBe(shown);
      await page.locator('.rows[aria-busy="false"]').waitFor();
    }
    expect(await list.last().getByRole('link').getAttribute('href')).toBe(`/requests/${oldest}`);
    await page.getByRole('button', { name: 'Newest' }).click();
    await page.locator(`.rows a[href="/requests/${newest}"]`).waitFor();

    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    await expect.poll(() => page.locator('tbody tr').count()).toBe(20);
    await visitor.look('33-many-vouchers');
    await page.getByRole('button', { name: 'Older' }).click();
    await page.getByRole('button', { name: 'Older' }).click();
    await expect.poll(() => page.locator('tbody tr').count()).toBe(5);
    // The URL contains the page of the list, so that a reload shows that page again.
    await page.reload();
    await expect.poll(() => page.locator('tbody tr').count()).toBe(5);
    const from = page.getByRole('textbox', { name: 'Received from' });
    const until = page.getByRole('textbox', { name: 'Received until' });
    await from.fill('01/02/2020');
    await until.fill('2020-01-02');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('alert').filter({ hasText: 'year, month, day' }).waitFor();
    expect(await from.getAttribute('aria-invalid')).toBe('true');
    await page.getByText('The list below is not filtered').waitFor();
    await visitor.look('35-no-day');
    await page.getByRole('button', { name: 'Clear' }).click();
    expect([await from.inputValue(), await until.inputValue()]).toEqual(['', '']);
    await page.getByText('The list below is not filtered').waitFor({ state: 'detached' });
    await until.fill('2020-01-02');
    await from.fill('2020/1/1');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('No voucher matches').waitFor();
    await expect.poll(() => page.url()).toMatch(/\?from=2020-01-01&to=2020-01-02$/);
    await visitor.look('34-no-match');
    expect(visitor.problems).toEqual([]);
  });
});
