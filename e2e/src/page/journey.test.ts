import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { openVisitor } from './browser.ts';
import { openStack } from './stack.ts';
import { readCode, requestVoucher, setNext, signIn, signUp } from './user.ts';

const stack = openStack();

describe('page: first visit', () => {
  it('first visit: a code is on screen after five actions', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await page.getByRole('heading', { name: /Request a voucher code/ }).waitFor();
    await visitor.look('1-welcome');
    // A new user needs five actions: three fields, the button “Sign up”, and the button “Request a voucher”.
    const user = await signUp(page);
    await page.getByText('No requests yet').waitFor();
    await visitor.look('2-no-requests');
    await setNext(stack.system, user, { delayMs: 6_000 });
    await requestVoucher(page);
    await page.getByText('Waiting for the provider').waitFor();
    await visitor.look('3-waiting');
    // The timeline shows these steps live, before the code arrives.
    await page.getByText('The provider is making your code').waitFor();
    for (const step of ['Provider asked', 'Provider acknowledged']) await page.getByText(step).waitFor();
    await visitor.look('3-acknowledged');
    expect(await readCode(page)).toMatch(/^VC-/);
    for (const step of [
      'Request accepted',
      'Provider asked',
      'Provider acknowledged',
      'Code received',
      'Shown on this page',
    ])
      await page.getByText(step).first().waitFor();
    await visitor.look('4-code');
    expect(visitor.problems).toEqual([]);
    expect(await visitor.layoutShifts()).toEqual([]);
  });

  it('sign-up: errors are at their fields, with what to do', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    await using other = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { username } = await signUp(other.page);
    const { page } = visitor;
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Phone number').fill('0909');
    await page.getByLabel('Password').fill('correct horse');
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByLabel('Phone number').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Phone number').fill('0909123400');
    await page.getByRole('button', { name: 'Sign up' }).click();
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('Choose another username');
    await visitor.look('5-sign-up-error');
  });

  it.each([
    ['phone', { viewport: { width: 360, height: 740 }, colorScheme: 'dark', reducedMotion: 'reduce' } as const],
    ['200 % zoom', { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 } as const],
  ])('page: fits a %s, without scrolling sideways', async (name, options) => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl, options);
    const { page } = visitor;
    await visitor.look(`6-${name.replaceAll(/\W/g, '')}-welcome`, { fullPage: true });
    await signUp(page);
    await page.getByRole('button', { name: 'Use the test receiver' }).click();
    await requestVoucher(page);
    await page.getByText('Callback delivered').waitFor();
    await visitor.look(`6-${name.replaceAll(/\W/g, '')}-code`, { fullPage: true });
    for (const view of ['Vouchers', 'Callbacks', 'Requests']) {
      await page.getByRole('navigation').getByRole('link', { name: view }).click();
      await page.getByRole('heading', { level: 1 }).waitFor();
      const overflow = () => page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
      await expect.poll(overflow).toBeLessThanOrEqual(0);
      await visitor.look(`6-${name.replaceAll(/\W/g, '')}-${view.toLowerCase()}`, { fullPage: true });
    }
  });

  it('page: is used by keyboard alone', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByLabel('Callback URL').focus();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Request a voucher');
    await page.keyboard.press('Enter');
    expect(await readCode(page)).toMatch(/^VC-/);
  });

  it('page: sends less than 170 kB of script', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    const bytesOfScript = () =>
      page.evaluate(() =>
        performance
          .getEntriesByType('resource')
          .map((entry) => entry as PerformanceResourceTiming)
          .filter(({ name }) => name.endsWith('.js'))
          .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
      );
    const first = await bytesOfScript();
    expect(first).toBeGreaterThan(10_000);
    expect(first).toBeLessThan(110_000);
    await signUp(page);
    await page.getByRole('button', { name: 'API' }).click();
    await page.getByRole('dialog').waitFor();
    const all = await bytesOfScript();
    expect(all).toBeGreaterThan(first);
    expect(all).toBeLessThan(170_000);
  });
});

describe('page: requests and vouchers', () => {
  it('request: its address shows it again, also in another tab', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    const user = await signUp(page);
    await requestVoucher(page);
    const code = await readCode(page);
    await page.reload();
    expect(await readCode(page)).toBe(code);
    await page.getByRole('button', { name: 'Copy code' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(code);
    const tab = await visitor.context.newPage();
    await tab.goto(page.url());
    await signIn(tab, user).catch(() => {});
    expect(await readCode(tab)).toBe(code);
  });

  it('request: a refused callback URL is explained at the field', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByLabel('Callback URL').fill('http://169.254.169.254/latest/meta-data');
    await requestVoucher(page);
    await page.locator('.field-error').waitFor();
    expect(await page.getByLabel('Callback URL').getAttribute('aria-invalid')).toBe('true');
    await visitor.look('7-refused-url');
  });

  it('request: shows each callback attempt with its response, and sends again', async () => {
    await using receiver = await startReceiver();
    receiver.answerWith({ status: 410, body: 'gone fishing' });
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByLabel('Callback URL').fill(receiver.url);
    await requestVoucher(page);
    await page.getByText('Callback attempt 1 failed').waitFor();
    await page.getByText('Your server answered 410 Gone. It is not sent again by itself.').waitFor();
    await page.getByText('Your server replied:').click();
    await page.getByText('gone fishing').waitFor();
    await visitor.look('8-failed-callback');
    await page.getByRole('button', { name: 'Send the callback again' }).click();
    await page.getByText('Callback delivered, attempt 2').waitFor();
  });

  it('vouchers: are paged, searched, and have an address', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    const codes: string[] = [];
    for (let request = 0; request < 3; request += 1) {
      await page.goto(stack.system.gatewayUrl);
      await requestVoucher(page);
      await page.waitForURL(/requests\//);
      codes.unshift(await readCode(page));
    }
    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    const shown = () => page.locator('tbody code').allTextContents();
    await expect.poll(shown).toEqual(codes);
    await visitor.look('9-vouchers');
    await page.getByLabel('Code').fill(codes[1] ?? '');
    await page.getByRole('button', { name: 'Search' }).click();
    await expect.poll(shown).toEqual([codes[1]]);
    await page.reload();
    await expect.poll(shown).toEqual([codes[1]]);
    await page.getByLabel('Code').fill('nothing');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('No voucher matches').waitFor();
    await page.goBack();
    await expect.poll(shown).toEqual([codes[1]]);
  });
});

describe('page: callbacks', () => {
  it('receiver: shows a signed request, verified step by step', async () => {
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.getByText('Nothing received yet').waitFor();
    await page.getByRole('button', { name: 'Use the test receiver' }).click();
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText('Your server answered 204').waitFor();
    await page.getByText('A signature matches').waitFor();
    expect(await page.locator('.checks li[data-passed="false"]').count()).toBe(0);
    await page.getByRole('button', { name: 'Show the secret' }).click();
    const secret = page.locator('code', { hasText: 'whsec_' });
    const before = await secret.textContent();
    await page.getByRole('button', { name: 'Make a new one' }).click();
    await expect.poll(() => secret.textContent()).not.toBe(before);
    await page.getByText('Signed with your previous secret').waitFor();
    await visitor.look('10-callbacks', { fullPage: true });
    expect(visitor.problems).toEqual([]);
  });

  it('recover: says how many failed deliveries are sent again', async () => {
    await using receiver = await startReceiver();
    receiver.answerWith(410);
    await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByLabel('Callback URL').fill(receiver.url);
    await requestVoucher(page);
    await page.getByText('Callback attempt 1 failed').waitFor();
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.locator('.endpoint', { hasText: new URL(receiver.url).origin }).waitFor();
    await page.getByRole('button', { name: 'Send them again' }).click();
    await page.locator('.toast', { hasText: '1 delivery is sent again' }).waitFor();
  });
});
