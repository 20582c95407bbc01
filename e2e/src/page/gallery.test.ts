import { randomUUID } from 'node:crypto';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import type { Page, Route } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { openVisitor, type Visitor } from './browser.ts';
import { openStack } from './stack.ts';
import { operate, readCode, requestVoucher, setNext, signUp, untilLive } from './user.ts';

const stack = openStack({ RATE_LIMITS: 'off', VPS_SILENCE_AFTER: '10m' });

/** Handles the page's operation of this name in another way. */
const onOperation = (page: Page, name: string, handle: (route: Route) => Promise<void>) =>
  page.route('**/graphql', (route) =>
    route.request().postData()?.includes(`"operationName":"${name}"`) ? handle(route) : route.fallback(),
  );
const answer = (body: object) => (route: Route) => route.fulfill({ contentType: 'application/json', json: body });
const away = answer({
  errors: [{ message: 'The subgraph is not available', extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }],
});

/** The lists, each with the operation that reads it. */
const lists = [
  ['requests', '/', 'VoucherRequests'],
  ['vouchers', '/vouchers', 'PurchasedVouchers'],
  ['endpoints', '/callbacks', 'Endpoints'],
] as const;

async function openUser(): Promise<Visitor & { user: Awaited<ReturnType<typeof signUp>> }> {
  const visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
  const user = await signUp(visitor.page);
  await untilLive(visitor.page);
  return { ...visitor, user };
}

// Most of the time of the late one is a wait.
describe('gallery: requests', { concurrent: true }, () => {
  it('request: that is late says so, also once its code is here', async () => {
    await using visitor = await openUser();
    const { page, user } = visitor;
    await setNext(stack.system, user, { delayMs: 36_000 });
    await requestVoucher(page);
    await page.getByText('The code will come by SMS. It also appears here.').waitFor({ timeout: 60_000 });
    await visitor.look('20-late-waiting');
    await readCode(page);
    await page.getByText('SMS simulated').waitFor();
    await page.locator('.details .chip', { hasText: 'Late' }).waitFor();
    // None was sent, so there is nothing to send again.
    expect(await page.getByRole('button', { name: 'Send the SMS again' }).count()).toBe(0);
    await visitor.look('21-late-code');
    expect(visitor.problems).toEqual([]);
  });

  it('request: with a callback is followed to its delivery', async () => {
    await using visitor = await openUser();
    const { page, user } = visitor;
    await setNext(stack.system, user, { delayMs: 5_000 });
    await page.getByRole('button', { name: 'Use the test receiver' }).click();
    await requestVoucher(page);
    await readCode(page);
    await page.getByText('Callback delivered').waitFor();
    // The README shows it.
    await visitor.look('26-delivered');
    expect(visitor.problems).toEqual([]);
  });

  it('request: that fails says why, loudly', async () => {
    await using visitor = await openUser();
    const { page, user } = visitor;
    await setNext(stack.system, user, { fault: 'refuse' });
    await requestVoucher(page);
    await page.getByText('You were not given a voucher').waitFor();
    await page.locator('.details .chip', { hasText: 'Failed' }).waitFor();
    await visitor.look('22-failed');
    expect(visitor.problems).toEqual([]);
  });

  it('request: shows the attempts and the next one of a callback that fails for a while', async () => {
    await using receiver = await startReceiver();
    receiver.answerWith({ status: 503, body: 'down for maintenance' });
    await using visitor = await openUser();
    const { page } = visitor;
    await page.getByLabel('Callback URL').fill(receiver.url);
    await requestVoucher(page);
    await page.getByText('Callback attempt 1 failed').waitFor();
    await page.getByText('Next callback attempt').waitFor();
    await page.getByText('Your server answered 503 Service Unavailable. Next attempt at').waitFor();
    await page.locator('.request-list .chip.pending', { hasText: 'Callback retrying' }).waitFor();
    await visitor.look('23-callback-retried');
    await page.getByRole('switch').click();
    await page.getByText('Update automatically: off').waitFor();
    await page.locator('.light[data-phase="paused"]', { hasText: 'Paused' }).waitFor();
    await page.locator('.timeline li[data-state="pending"] time', { hasText: /^at \d/ }).waitFor();
    await visitor.look('24-paused');
    expect(visitor.problems).toEqual([]);
  });

  it('request: that does not exist is explained', async () => {
    await using visitor = await openUser();
    const { page } = visitor;
    await page.goto(`${stack.system.gatewayUrl}/requests/${randomUUID()}`);
    await page.getByText('There is no such request').waitFor();
    await visitor.look('25-no-such-request');
  });
});

describe('gallery: lists', () => {
  it.each(lists)('%s: are shown as loading, and as failed with what to do', async (name, path, operation) => {
    await using visitor = await openUser();
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
    await visitor.look(`31-${name}-failed`);
    await page.unrouteAll({ behavior: 'wait' });
    await notice.getByRole('button', { name: 'Try again' }).click();
    await notice.waitFor({ state: 'detached' });
    expect(visitor.problems).toEqual([]);
  });

  it('requests and vouchers: of a busy user are paged to the oldest', async () => {
    await using visitor = await openUser();
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
    // The address holds the page.
    await page.reload();
    await expect.poll(() => page.locator('tbody tr').count()).toBe(5);
    const from = page.getByRole('textbox', { name: 'Received from' });
    const until = page.getByRole('textbox', { name: 'Received until' });
    await from.fill('01/02/2020');
    await until.fill('2020-01-02');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('alert').filter({ hasText: 'year, month, day' }).waitFor();
    expect(await from.getAttribute('aria-invalid')).toBe('true');
    await visitor.look('35-no-day');
    await from.fill('2020/1/1');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('No voucher matches').waitFor();
    await expect.poll(() => page.url()).toMatch(/\?from=2020-01-01&to=2020-01-02$/);
    await visitor.look('34-no-match');
    expect(visitor.problems).toEqual([]);
  });
});

describe('gallery: callbacks', () => {
  it('test callback: shows what the receiver answered', async () => {
    await using receiver = await startReceiver();
    receiver.answerWith({ status: 500, body: 'TypeError: undefined is not a function' });
    await using visitor = await openUser();
    const { page } = visitor;
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.getByLabel('URL', { exact: true }).fill(receiver.url);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText('Your server answered 500 (an error on your side)').waitFor();
    await page.getByText('Your server answered 500').scrollIntoViewIfNeeded();
    await visitor.look('40-test-callback');
    await page.getByLabel('URL', { exact: true }).fill('ftp://nowhere');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('.field-error', { hasText: 'This address can’t be used. It is not an http' }).waitFor();
    await visitor.look('41-test-callback-refused');
  });

  it('endpoints: are shown as working, failing and switched off', async () => {
    await using visitor = await openUser();
    const { page } = visitor;
    const at = new Date().toISOString();
    const daysBefore = new Date(Date.now() - 5 * 86_400_000).toISOString();
    const endpoint = { failingSince: null, disabledAt: null, lastSuccessAt: null, lastFailureAt: null };
    const endpoints = [
      { ...endpoint, origin: 'https://shop.example', state: 'ACTIVE', lastSuccessAt: at },
      { ...endpoint, origin: 'https://slow.example', state: 'FAILING', failingSince: at },
      { ...endpoint, origin: 'https://gone.example', state: 'DISABLED', failingSince: daysBefore, disabledAt: at },
    ];
    await onOperation(page, 'Endpoints', answer({ data: { me: { __typename: 'User', id: 'ann', endpoints } } }));
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.getByText('https://gone.example').waitFor();
    for (const state of ['Working', 'Retrying', 'Switched off'])
      await page.locator('.chip').getByText(state, { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Send to it again' }).waitFor();
    // The start of the oldest outage.
    const since = await page.getByRole('textbox', { name: 'Failed since' }).inputValue();
    expect(Date.parse(since)).toBe(Math.floor(Date.parse(daysBefore) / 60_000) * 60_000);
    await visitor.look('42-endpoints');
    expect(visitor.problems).toEqual([]);
  });

  it('receiver: shows a forged request and a duplicate as such', async () => {
    await using visitor = await openUser();
    const { page } = visitor;
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.getByText('Nothing received yet').waitFor();
    const url = (await page.getByLabel('Test receiver').locator('code').first().textContent()) ?? '';
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': '1', 'webhook-signature': 'v1,forged' };
    for (let request = 0; request < 2; request += 1) await fetch(url, { method: 'POST', headers, body: '{}' });
    await page.getByText('The id was seen before').waitFor();
    expect(await page.locator('.checks li[data-passed="false"]').count()).toBe(4);
    await page.locator('.checks li[data-passed="neutral"]').waitFor();
    await page.getByText('Not verified').first().waitFor();
    await visitor.look('43-receiver-forged');
    expect(visitor.problems).toEqual([]);
  });
});

describe('gallery: everywhere', () => {
  it('light: explains itself', async () => {
    await using visitor = await openUser();
    const { page } = visitor;
    await page.locator('.light').click();
    const panel = page.getByRole('dialog', { name: 'Live' });
    await panel.waitFor();
    await visitor.look('50-light');
    await panel.getByRole('button', { name: 'Close' }).click();
    await panel.waitFor({ state: 'detached' });
  });

  it('account: says until when the user is signed in', async () => {
    await using visitor = await openUser();
    const { page, user } = visitor;
    await page.getByRole('button', { name: 'Account of' }).click();
    await page.getByRole('dialog', { name: user.username }).getByText('Signed out in').waitFor();
    await visitor.look('56-account');
  });

  it('calendar: of a day is opened by its button, and fills the field', async () => {
    await using visitor = await openUser();
    const { page } = visitor;
    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    const calendar = page.locator('.calendar').first();
    await calendar.evaluate((input) => {
      Object.assign(input, { showPicker: () => input.setAttribute('data-shown', 'true') });
    });
    await page.getByRole('button', { name: 'Received from: calendar' }).click();
    expect(await calendar.getAttribute('data-shown')).toBe('true');
    await calendar.fill('2026-11-27');
    expect(await page.getByRole('textbox', { name: 'Received from' }).inputValue()).toBe('2026-11-27');
  });

  it('page: an unknown address leads back', async () => {
    await using visitor = await openUser();
    const { page } = visitor;
    await page.evaluate("history.pushState(null, '', '/nowhere')");
    await page.getByText('There is no such page').waitFor();
    await visitor.look('51-no-such-page');
    await page.getByRole('link', { name: 'Go to your requests' }).click();
    await page.getByRole('button', { name: 'Request a voucher' }).waitFor();
  });

  it('page: in dark, on a large screen', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl, { colorScheme: 'dark' });
    const { page } = visitor;
    await visitor.look('52-dark-welcome');
    await page.getByRole('tab', { name: 'Sign in' }).click();
    await page.getByLabel('Username').fill('nobody');
    await page.getByLabel('Password').fill('incorrect');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await visitor.look('53-dark-sign-in-refused');
    await page.getByRole('tab', { name: 'Sign up' }).click();
    const user = await signUp(page);
    await setNext(stack.system, user, { delayMs: 4_000 });
    await page.getByRole('button', { name: 'Use the test receiver' }).click();
    await requestVoucher(page);
    await readCode(page);
    await page.getByText('Callback delivered').waitFor();
    await visitor.look('54-dark-code');
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.getByText('A signature matches').waitFor();
    await visitor.look('55-dark-callbacks');
    expect(visitor.problems).toEqual([]);
  });
});
