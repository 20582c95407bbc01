import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Customer, startCustomer } from '../customer.ts';
import type { System } from '../system.ts';

/** A system with an operator, who changes the database and runs commands. */
export interface OperatedSystem extends System {
  /** Kills the delivery service at any point, runs a statement on its database, and restarts it. */
  killAndAlter(statement: string): Promise<void>;
  /** Status and body of `/health/live` of the process with the delivery service. */
  live(): Promise<{ status: number; body: string }>;
  /** Runs `npm run dead-letters -- <words>` while the system runs. */
  command(...words: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Settings of the systems in which this suite runs. */
export const deadLetterSettings = {
  PARK_AFTER: '100ms',
  MAX_BURIED_IN_A_ROW: '2',
  VPS_PROFILE: 'fast',
  RATE_LIMITS: 'off',
};

/** Polling options for a command. The interval is long, because a command starts a process each time. */
const eachACommand = { interval: 1_000 };

/** Tests of messages that can't be handled, and of the operator's command for them. */
export function deadLettersSuite(start: () => Promise<OperatedSystem>): void {
  let system: OperatedSystem;
  beforeAll(async () => {
    system = await start();
  });
  afterAll(() => system?.[Symbol.asyncDispose]());

  /** Requests vouchers, each after the previous voucher is stored. Returns the ids of the requests. */
  async function request(customer: Customer, count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let number = 0; number < count; number += 1) {
      ids.push((await customer.requestVoucher()).id);
      await expect.poll(() => stored(customer, ids.at(-1))).toBe(true);
    }
    return ids;
  }
  const stored = async (customer: Customer, requestId: string | undefined) => {
    const { purchasedVouchers } = await customer.graphql('{ purchasedVouchers(last: 100) { nodes { requestId } } }');
    return purchasedVouchers.nodes.some((node: { requestId: string }) => node.requestId === requestId);
  };
  const list = async () => {
    const { code, stdout, stderr } = await system.command('list');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.split('\n').filter((line) => line.includes('receive-code → delivery'));
  };
  const idOf = (line: string | undefined) => line?.split('  ')[0] ?? '';
  /**
   * Resolves with the request ids of the next `count` callbacks. Then requests one more voucher. The next callback must
   * be for this voucher. So no unexpected callback came before.
   */
  const callbacks = async (customer: Customer, count: number) => {
    const ids: string[] = [];
    for (let number = 0; number < count; number += 1) ids.push((await customer.nextCallback()).data.requestId ?? '');
    const [last] = await request(customer, 1);
    expect((await customer.nextCallback()).data.requestId).toBe(last);
    expect(customer.receiver.calls).toHaveLength(new Set(customer.receiver.calls.map(({ body }) => body)).size);
    return ids;
  };

  it('dead-letters: a parked message survives kill -9, and is replayed once', async () => {
    await using customer = await startCustomer(system);
    await system.killAndAlter('alter table delivery.delivery rename to gone');
    const ids = await request(customer, 2);
    await expect.poll(list, eachACommand).toHaveLength(2);
    const [first, second] = await list();
    expect(first).toContain('42P01: relation');
    expect(second).toContain('an earlier message of its key is parked');
    expect(`${first}${second}`).not.toContain(customer.phoneNumber);
    const shown = await system.command('show', idOf(first));
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining(customer.phoneNumber) });
    expect((await system.live()).status).toBe(200);

    await system.killAndAlter('alter table delivery.gone rename to delivery');
    expect(await system.command('replay', '--all')).toMatchObject({ code: 0 });
    expect(await callbacks(customer, 2)).toEqual(ids);
    await expect.poll(list, eachACommand).toEqual([]);
  }, 240_000);

  it('dead-letters: too many in a row stop the consumer, and are replayed once', async () => {
    await using customer = await startCustomer(system);
    await system.killAndAlter('alter table delivery.delivery add constraint refuse check (false) not valid');
    const ids = await request(customer, 3);
    await expect.poll(list, eachACommand).toHaveLength(2);
    await expect
      .poll(() => system.live())
      .toMatchObject({
        status: 503,
        body: expect.stringContaining('CONSUMER_STOPPED'),
      });

    await system.killAndAlter('alter table delivery.delivery drop constraint refuse');
    expect((await customer.nextCallback()).data.requestId).toBe(ids[2]);
    expect((await system.live()).status).toBe(200);
    const letters = (await list()).map(idOf);
    expect(await system.command('show', letters[0] ?? '')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"dead-letter-error": "23514"'),
    });
    for (const _again of [1, 2]) expect(await system.command('replay', ...letters)).toMatchObject({ code: 0 });
    expect((await callbacks(customer, 2)).toSorted()).toEqual(ids.slice(0, 2).toSorted());
    expect(await system.command('replay', ...letters)).toMatchObject({ code: 0 });
    expect(await callbacks(customer, 0)).toEqual([]);
  }, 240_000);

  it('dead-letters: reports an unknown id, and prints its usage', async () => {
    for (const words of [
      ['show', 'parked:9999'],
      ['replay', 'parked:9999', 'receive-code.dead-letter:0:999999'],
    ])
      expect(await system.command(...words)).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no') });
    expect(await system.command('replay')).toMatchObject({ code: 2, stderr: expect.stringContaining('npm run') });
  });
}
