import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbedded } from '../embedded/system.ts';
import type { System } from '../system.ts';
import { openBrowser, openVisitor } from './browser.ts';
import { readCommand } from './command.ts';
import { readCode, requestVoucher, signIn, signOut, signUp, untilLive } from './user.ts';

/** The script would run if the page used this text as HTML. */
const attack = '"><img src=x onerror=document.title="hacked"><script>document.title="hacked"</script>';
const overflowOf = (page: Page) => page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');

/** Starts a provider whose codes the test chooses. */
async function startProvider() {
  const receiver = await startReceiver({ path: '' });
  return {
    url: receiver.url,
    set voucherCode(voucherCode: string) {
      receiver.answer = { status: 200, body: JSON.stringify({ status: 'SUCCESS', voucherCode, message: attack }) };
    },
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  };
}

describe('hostile page', () => {
  let provider: Awaited<ReturnType<typeof startProvider>>;
  let system: System;
  let browser: Browser;
  beforeAll(async () => {
    provider = await startProvider();
    [system, browser] = await Promise.all([startEmbedded({ VPS_URL: provider.url }), openBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await system?.[Symbol.asyncDispose]();
    await provider?.[Symbol.asyncDispose]();
  });

  it('texts: of the provider, a receiver and the address are shown as they are', async () => {
    await using receiver = await startReceiver();
    receiver.answerWith({ status: 410, body: attack });
    provider.voucherCode = attack;
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByLabel('Callback URL').fill(`${receiver.url}/${encodeURI(attack)}`);
    await requestVoucher(page);
    expect(await readCode(page)).toBe(attack);
    await page.getByText('Callback attempt 1 failed').waitFor();
    await page.getByText('Your server replied:').click();
    await page.locator('.timeline pre', { hasText: attack }).waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
    await page.locator('tbody code', { hasText: attack }).waitFor();
    await page.goto(`${system.gatewayUrl}/vouchers?code=${encodeURIComponent(attack)}`);
    await page.locator('tbody code', { hasText: attack }).waitFor();
    expect(await page.getByLabel('Code').inputValue()).toBe(attack);
    await page.getByRole('link', { name: 'Callbacks' }).click();
    const url = await page.getByLabel('Test receiver').locator('code').first().textContent();
    await fetch(url ?? '', { method: 'POST', body: JSON.stringify({ type: attack }) });
    await page.locator('.received strong', { hasText: attack.slice(0, 64) }).waitFor();
    expect(await page.title()).not.toContain('hacked');
    expect(visitor.problems).toEqual([]);
  });

  it('texts: of the greatest length do not break a phone', async () => {
    const code = 'W'.repeat(256);
    provider.voucherCode = code;
    await using visitor = await openVisitor(browser, system.gatewayUrl, { viewport: { width: 360, height: 740 } });
    const { page } = visitor;
    await signUp(page);
    await page.getByLabel('Callback URL').fill(`http://127.0.0.1:9/${'a'.repeat(2_000)}`);
    await requestVoucher(page);
    expect(await readCode(page)).toBe(code);
    await page.getByText('Callback attempt 1 failed').waitFor();
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    for (const view of ['Vouchers', 'Callbacks']) {
      await page.getByRole('navigation').getByRole('link', { name: view }).click();
      await page.getByRole('heading', { level: 1, name: view }).waitFor();
      await expect.poll(() => overflowOf(page)).toBeLessThanOrEqual(0);
    }
  });

  it.each(['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', '//evil.example'])(
    'callback URL: %s is refused at the field',
    async (url) => {
      await using visitor = await openVisitor(browser, system.gatewayUrl);
      const { page } = visitor;
      await signUp(page);
      await page.getByLabel('Callback URL').fill(url);
      await requestVoucher(page);
      await page.locator('.field-error').waitFor();
    },
  );

  it('token: is in no address, cookie, localStorage, referrer or copied command', async () => {
    provider.voucherCode = 'CODE-2';
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const { page } = visitor;
    const urls: string[] = [];
    page.on('framenavigated', (frame) => urls.push(frame.url()));
    page.on('request', (request) => urls.push(request.url(), request.headers().referer ?? ''));
    page.on('websocket', (socket) => urls.push(socket.url()));
    await signUp(page);
    await untilLive(page);
    await requestVoucher(page);
    await readCode(page);
    await page.getByRole('button', { name: 'API' }).click();
    await page.locator('.command').first().click();
    await page.locator('.command').getByText('Copied').first().waitFor();
    const command = await page.evaluate<string>('navigator.clipboard.readText()');
    await page.reload();
    await readCode(page);
    const token = await page.evaluate<string>("JSON.parse(sessionStorage.getItem('voucher-gateway:session')).token");
    expect(token.length).toBeGreaterThan(100);
    for (const text of [...urls, command]) expect(text).not.toContain(token);
    expect(command).toContain('Bearer $TOKEN');
    expect(await page.evaluate('[localStorage.length, document.cookie]')).toEqual([0, '']);
    await signOut(page);
    await page.getByRole('tab', { name: 'Sign up' }).waitFor();
    expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).not.toContain(token);
  });

  it('command: that is copied passes the text of an address to the server as it is', async () => {
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    const code = `'; touch hacked; ' $(touch hacked) \`touch hacked\` $TOKEN "\\n`;
    await page.goto(`${system.gatewayUrl}/vouchers?code=${encodeURIComponent(code)}`);
    await page.getByText('No voucher matches').waitFor();
    await page.getByRole('button', { name: 'API' }).click();
    await page.locator('.command').click();
    await page.locator('.command').getByText('Copied').waitFor();
    const { headers, body } = await readCommand(page);
    expect(headers.authorization).toBe('Bearer TOKEN');
    expect(JSON.parse(body).variables.filter.code).toBe(code);
  });

  it('users: of two tabs of one browser each stay themselves', async () => {
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const ann = await signUp(visitor.page);
    const tab = await visitor.openTab();
    const bob = await signUp(tab);
    await Promise.all([untilLive(visitor.page), untilLive(tab)]);
    provider.voucherCode = 'OF-ANN';
    await requestVoucher(visitor.page);
    expect(await readCode(visitor.page)).toBe('OF-ANN');
    await Promise.all([visitor.page.reload(), tab.reload()]);
    await visitor.page.locator('.who', { hasText: ann.username }).waitFor();
    await tab.locator('.who', { hasText: bob.username }).waitFor();
    await tab.getByText('No requests yet').waitFor();
    expect(await tab.content()).not.toContain('OF-ANN');
  });

  it('receiver: of a user is not shown to the next one of the tab', async () => {
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const { page } = visitor;
    const receiverUrl = async () => {
      await page.getByRole('link', { name: 'Callbacks' }).click();
      return await page.getByLabel('Test receiver').locator('code').first().textContent();
    };
    const ann = await signUp(page);
    const ofAnn = await receiverUrl();
    await fetch(ofAnn ?? '', { method: 'POST', body: '{"type":"of-ann"}' });
    await page.getByText('of-ann', { exact: true }).waitFor();
    await signOut(page);
    await page.goto(system.gatewayUrl);
    await signUp(page);
    expect(await receiverUrl()).not.toBe(ofAnn);
    await page.getByText('Nothing received yet').waitFor();
    await signOut(page);
    await page.goto(system.gatewayUrl);
    await signIn(page, ann);
    expect(await receiverUrl()).toBe(ofAnn);
  });

  it('receiver: a flood leaves the page usable', async () => {
    await using visitor = await openVisitor(browser, system.gatewayUrl);
    const { page } = visitor;
    await signUp(page);
    await page.getByRole('link', { name: 'Callbacks' }).click();
    await page.getByText('Nothing received yet').waitFor();
    const url = (await page.getByLabel('Test receiver').locator('code').first().textContent()) ?? '';
    const post = (index: number) =>
      fetch(url, {
        method: 'POST',
        body: `${index}${'x'.repeat(30_000)}`,
        headers: { 'webhook-id': index % 2 ? 'a' : '' },
      });
    for (let batch = 0; batch < 20; batch += 1) {
      await Promise.all(Array.from({ length: 20 }, (_, index) => post(index)));
      await page
        .getByRole('navigation')
        .getByRole('link', { name: batch % 2 ? 'Callbacks' : 'Vouchers' })
        .click();
    }
    await expect.poll(() => page.locator('.received > li').count()).toBe(20);
    expect(visitor.problems).toEqual([]);
  });
});
