import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { type Customer, startCustomer } from '../../customer.ts';
import { startStandalone } from '../../standalone-process.ts';
import type { System } from '../../system.ts';
import { createPreparedSetup } from '../system.ts';

/** A system with production settings and default limits, and a customer that the attacks must not affect. */
export interface Target extends AsyncDisposable {
  readonly system: System;
  /** Checks that the process is still running, and that it responds to the customer within a second. */
  expectUndisturbed(): Promise<void>;
  /** Checks the current and the peak memory of the process. */
  expectBoundedMemory(): Promise<void>;
  /** Checks that the customer's subscription, open since the start, receives the code of a new request. */
  expectDelivery(): Promise<void>;
}

/** Limit of peak memory. After a start, the peak is about 700 MiB. Most of that is for the embedded database. */
const maxPeakMiB = 1_200;

/** Starts everything with `npm start`. Use it with `await using`. */
export async function startTarget(environment: Record<string, string> = {}): Promise<Target> {
  await using releases = new AsyncDisposableStack();
  const setup = releases.use(await createPreparedSetup());
  const system = releases.use(
    await startStandalone({
      ...setup.environment,
      NODE_ENV: 'production',
      SMS: 'off',
      CALLBACK_ALLOW_LOOPBACK: 'true',
      VPS_PROFILE: 'fast',
      ...environment,
    }),
  );
  let ended: string | null = null;
  system.exit.then(({ code, signal, stderr }) => {
    ended = `the process ended (${code ?? signal}): ${stderr.slice(-2_000)}`;
  });
  const customer: Customer = releases.use(await startCustomer(system));
  const nextVoucher = await customer.subscribe('subscription { voucherReceived { node { requestId } } }');
  const owned = releases.move();
  return {
    system,
    async expectUndisturbed() {
      const answer = await Promise.race([
        customer.answerOf('{ me { username } }').catch((error: unknown) => String(error)),
        system.exit,
      ]);
      expect(ended).toBeNull();
      expect(answer).toMatchObject({ status: 200, data: { me: { username: customer.username } } });
    },
    async expectBoundedMemory() {
      const status = await readFile(`/proc/${system.pid}/status`, 'utf8');
      const peakMiB = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024;
      expect(peakMiB).toBeLessThan(maxPeakMiB);
    },
    async expectDelivery() {
      const { id } = await customer.requestVoucher();
      expect(await nextVoucher()).toMatchObject({ voucherReceived: { node: { requestId: id } } });
      expect(await customer.nextCallback()).toMatchObject({ data: { requestId: id } });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
