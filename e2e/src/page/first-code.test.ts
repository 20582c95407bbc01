import { expect, it } from 'vitest';
import { createSetup, startStandalone } from '../standalone-process.ts';
import { openBrowser, openVisitor } from './browser.ts';
import { readCode, requestVoucher, setNext, signUp } from './user.ts';

/**
 * The longest delay of a code in the simulated provider's default profile. Even with this delay, the first code must
 * arrive within a minute.
 */
const slowestCodeMs = 40_000;
/** The provider's delay in this test, which is short so that the test is fast. */
const codeMs = 2_500;

/** Notes what a person does: the fields that are filled and the buttons that are pressed. */
const noteActions = `
  globalThis.actions = new Set();
  addEventListener('input', ({ target }) => actions.add(target.name), true);
  addEventListener('click', ({ target }) => actions.add(target.closest('button')?.textContent), true);
`;

it('first code: is on screen a minute after the start, in five actions', async () => {
  await using setup = await createSetup();
  await using browser = await openBrowser();
  const startedAt = performance.now();
  await using system = await startStandalone(setup.environment);
  const openedAt = performance.now();
  await using visitor = await openVisitor(browser, system.gatewayUrl);
  const { page } = visitor;
  await page.evaluate(noteActions);
  const user = await signUp(page);
  await setNext(system, user, { delayMs: codeMs });
  await requestVoucher(page);
  expect(await readCode(page)).toMatch(/^VC-/);
  const endedAt = performance.now();
  const actions = await page.evaluate<(string | undefined)[]>('[...actions]');
  expect(actions).toEqual(['username', 'phoneNumber', 'password', 'Sign up', 'Request a voucher']);
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  console.log(
    `first code: ${seconds(endedAt - openedAt)} after the first navigation (${seconds(codeMs)} of them the provider’s), ` +
      `in ${actions.length} actions; the system’s first start took ${seconds(openedAt - startedAt)}`,
  );
  expect(endedAt - startedAt - codeMs + slowestCodeMs).toBeLessThan(60_000);
});
