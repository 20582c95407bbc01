import { randomInt } from 'node:crypto';
import type { Page } from 'playwright-core';
import type { System } from '../system.ts';

export interface PageUser {
  username: string;
  phoneNumber: string;
  password: string;
}

/** Signs a new user up, as a person would. */
export async function signUp(page: Page): Promise<PageUser> {
  const digits = String(randomInt(10_000_000)).padStart(7, '0');
  const user = { username: `ann-${digits}`, phoneNumber: `090${digits}`, password: 'correct horse' };
  await page.getByLabel('Username').fill(user.username);
  await page.getByLabel('Phone number').fill(user.phoneNumber);
  await page.getByLabel('Password').fill(user.password);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('button', { name: 'Request a voucher' }).waitFor();
  return user;
}

export async function signIn(page: Page, { username, password }: PageUser): Promise<void> {
  await page.getByRole('tab', { name: 'Sign in' }).click();
  await page.getByLabel('Username').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Request a voucher' }).waitFor();
}

export async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Account of' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
}

export const requestVoucher = (page: Page) => page.getByRole('button', { name: 'Request a voucher' }).click();

/** Reads the code of the request that the page shows. */
export async function readCode(page: Page): Promise<string> {
  return (await page.getByLabel('Voucher code').textContent()) ?? '';
}

/** Resolves when the page's subscription is active, so that codes of new requests arrive live. */
export const untilLive = (page: Page) => page.locator('.light[data-phase="live"]').waitFor();

/** Sets the provider's next answer to this user. */
export async function setNext(
  { vpsUrl }: System,
  { phoneNumber }: PageUser,
  next: { delayMs?: number; fault?: string; times?: number },
): Promise<void> {
  const response = await fetch(`${vpsUrl}/control/next`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ phoneNumber, ...next }),
  });
  if (!response.ok) throw new Error(await response.text());
}

/** Executes an operation with the session of the page, but outside of the page. */
export async function operate(page: Page, query: string): Promise<Record<string, unknown>> {
  const token = await page.evaluate(() => JSON.parse(sessionStorage.getItem('voucher-gateway:session') ?? '').token);
  const response = await fetch(new URL('/graphql', page.url()), {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data?: Record<string, unknown>; errors?: object[] };
  if (!data) throw new Error(JSON.stringify(errors));
  return data;
}
