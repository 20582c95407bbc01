import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { openVisitor } from './browser.ts';
import { readCommand } from './command.ts';
import { openStack } from './stack.ts';
import { readCode, requestVoucher, signOut, signUp } from './user.ts';

const stack = openStack();

/**
 * Copies each cURL command of the screen, and sends it as the user. Returns `done` or error codes for each operation's name.
 */
async function sendAll(page: Page, token: string): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  const send = async () => {
    const { url, headers, body } = await readCommand(page, token);
    const name = /(?:query|mutation|subscription) (\w+)/.exec(body)?.[1] ?? body;
    const response = await fetch(url, { method: 'POST', headers, body });
    if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
      results[name] = response.status;
      await response.body?.cancel();
    } else {
      const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] };
      results[name] = errors?.map(({ extensions }) => extensions.code) ?? 'done';
    }
  };
  await page.getByRole('button', { name: 'API' }).click();
  const commands = page.getByRole('dialog').locator('.command');
  await commands.first().waitFor();
  for (const command of await commands.all()) {
    await command.click();
    await command.getByText('Copied').waitFor();
    await send();
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  // The focus returns a moment after the dialog is gone.
  await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('API');
  return results;
}

it('API: has a cURL command for each operation of the page, and each works', async () => {
  await using visitor = await openVisitor(stack.browser, stack.system.gatewayUrl);
  const { page } = visitor;
  expect(await sendAll(page, '')).toEqual({ SignUp: 'done' });
  await signUp(page);
  const token = await page.evaluate<string>("JSON.parse(sessionStorage.getItem('voucher-gateway:session')).token");
  await page.getByRole('button', { name: 'Use the test receiver' }).click();
  await requestVoucher(page);
  await readCode(page);
  await page.getByText('Callback delivered').waitFor();
  expect(await sendAll(page, token)).toEqual({
    RequestVoucher: 'done',
    VoucherRequests: 'done',
    VoucherReceived: 200,
    VoucherRequestAcknowledged: 200,
    VoucherRequestFailed: 200,
    VoucherRequest: 'done',
    Redeliver: 'done',
  });
  await page.getByRole('navigation').getByRole('link', { name: 'Vouchers' }).click();
  await page.getByRole('heading', { level: 1, name: 'Vouchers' }).waitFor();
  expect(await sendAll(page, token)).toEqual({ PurchasedVouchers: 'done' });
  await page.getByRole('link', { name: 'Callbacks' }).click();
  await page.locator('.endpoint').waitFor();
  await page.getByRole('button', { name: 'Use the test receiver' }).click();
  expect(await sendAll(page, token)).toEqual({
    CallbackSecret: 'done',
    RotateCallbackSecret: 'done',
    Endpoints: 'done',
    // This command names an endpoint that does not exist, as an example.
    EnableEndpoint: ['NOT_FOUND'],
    SendTestCallback: 'done',
    RecoverDeliveries: 'done',
  });
  await signOut(page);
  await page.getByRole('tab', { name: 'Sign in' }).click();
  // The command SignUp above has created the example user. SignIn signs the same user in.
  expect(await sendAll(page, token)).toEqual({ SignIn: 'done', SignOut: ['SESSION_EXPIRED'] });
  expect(visitor.problems).toEqual([]);
});
