import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { openVisitor } from './browser.ts';
import { answer, onOperation, openUser } from './gallery.ts';
import { openStack } from './stack.ts';
import { readCode, requestVoucher, setNext, signUp } from './user.ts';

const stack = openStack({ RATE_LIMITS: 'off' });

describe('gallery: callbacks', () => {
  it('test callback: shows what the receiver answered', async () => {
    await using receiver = await startReceiver();
    receiver.answerWith({ status: 500, body: 'TypeError: undefined is not a function' });
    await using visitor = await openUser(stack);
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
    await using visitor = await openUser(stack);
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
    await page.getByRole('button', { name: 'Resume sending' }).waitFor();
    // Until the user types a time, “Failed since” shows the start of the oldest outage.
    const since = await page.getByRole('textbox', { name: 'Failed since' }).inputValue();
    expect(Date.parse(since)).toBe(Math.floor(Date.parse(daysBefore) / 60_000) * 60_000);
    await visitor.look('42-endpoints', { fullPage: true });
    expect(visitor.problems).toEqual([]);
  });

  it('receiver: shows a forged request and a duplicate as such', async () => {
    await using visitor = await openUser(stack);
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
    await page.getByText('it answers 401').first().waitFor();
    await visitor.look('43-receiver-forged');
    expect(visitor.problems).toEqual([]);
  });
});

describe('gallery: everywhere', () => {
  it('light: explains itself', async () => {
    await using visitor = await openUser(stack);
    const { page } = visitor;
    await page.locator('.light').click();
    const panel = page.getByRole('dialog', { name: 'Live' });
    await panel.waitFor();
    await visitor.look('50-light');
    await panel.getByRole('button', { name: 'Close' }).click();
    await panel.waitFor({ state: 'detached' });
  });

  it('account: says until when the user is signed in', async () => {
    await using visitor = await openUser(stack);
    const { page, user } = visitor;
    await page.getByRole('button', { name: 'Account of' }).click();
    await page.getByRole('dialog', { name: user.username }).getByText('Signed out in').waitFor();
    await visitor.look('56-account');
  });

  it('calendar: of a day is opened by its button, and fills the field', async () => {
    await using visitor = await openUser(stack);
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
    await using visitor = await openUser(stack);
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
    await page.getByRole('alert').getByRole('button', { name: 'Sign up' }).click();
    expect(await page.getByRole('tab', { name: 'Sign up' }).getAttribute('aria-selected')).toBe('true');
    const user = await signUp(page);
    await setNext(stack.system, user, { delayMs: 4_000 });
    await page.getByRole('button', { name: 'Use the test receiver' }).click();
    await requestVoucher(page);
    await readCode(page);
    await page.getByText('Callback delivered').waitFor();
    await visitor.look('54-dark-code');
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.getByText('A signature matches').waitFor();
    await visitor.look('55-dark-callbacks', { fullPage: true });
    expect(visitor.problems).toEqual([]);
  });
});
