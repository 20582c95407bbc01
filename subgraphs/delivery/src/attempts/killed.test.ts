import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openPglite } from '@voucher-gateway/platform/database/embedded/pglite';
import { embeddedStoresOn } from '@voucher-gateway/platform/engines/embedded';
import { type ReceivedCall, type Receiver, startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { delivery } from '../tables.ts';
import { buildCode, buildRequest } from '../testing/delivery-harness.ts';
import { killPoints } from '../testing/kill-points.ts';
import { killedService } from '../testing/killed-service.ts';

const main = fileURLToPath(new URL('../testing/killed-main.ts', import.meta.url));
const openEngines = async (dataDir: string) =>
  embeddedStoresOn(await openPglite({ dataDir, clock: killedService.options.clock }), killedService.options);
const createFolder = () => mkdtempDisposable(join(tmpdir(), 'voucher-gateway-'));

const resources = new AsyncDisposableStack();
let receiver: Receiver;
/**
 * Folder with a copy of the data folder for each kill point, named by the point's position in `killPoints`. Each copy
 * equals what is left if the process is killed at that point.
 */
let copies: string;
/** The callbacks that the process sent before it was killed at the last point. */
let sentByKilled: readonly ReceivedCall[];

// PGlite writes its files synchronously, and never calls fsync. So a copy of the folder equals what a kill leaves, and
// one process can make the copies of all points.
beforeAll(async () => {
  receiver = resources.use(await startReceiver({ answer: 204 }));
  const folder = resources.use(await createFolder()).path;
  await cp(inject('emptyDataDirectory'), folder, { recursive: true });
  copies = resources.use(await createFolder()).path;
  await storeRequestWithCode(folder);
  expect(await runKilled(folder)).toEqual(killPoints);
  sentByKilled = [...receiver.calls];
  expect(sentByKilled).toHaveLength(1);
});
afterAll(() => resources.disposeAsync());

/** Stores two messages that are not consumed yet: a request, and its code. */
async function storeRequestWithCode(folder: string) {
  await using engines = await openEngines(folder);
  const service = await killedService.start(engines);
  await service[Symbol.asyncDispose]();
  const request = buildRequest({ callbackUrl: receiver.url });
  await engines.database.transaction(async (tx) => {
    await engines.topics.publish(tx, schemaTopics.requestCode, request);
    await engines.topics.publish(tx, schemaTopics.receiveCode, buildCode(request));
  });
}

/**
 * Starts the service in a process of its own, with `folder` as its data folder. Returns the kill points that the
 * process reached.
 */
async function runKilled(folder: string): Promise<string[]> {
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, DATA_DIR: folder, COPIES: copies },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const reached: string[] = [];
  for await (const point of createInterface(child.stdout)) reached.push(point);
  expect(await exited).toEqual([null, 'SIGKILL']);
  return reached;
}

describe('killed process', { timeout: 600_000 }, () => {
  it.each(killPoints)('killed after %s: sends at least once, with one id and body', async (killAt) => {
    const before = receiver.calls.length;
    await using engines = await openEngines(join(copies, String(killPoints.indexOf(killAt))));
    const { query } = engines.database;
    // Ends the lease of the killed process.
    await query.update(delivery).set({ nextAttemptAt: new Date() }).where(sql`${delivery.status} = 'PENDING'`);
    await using _next = await killedService.start(engines);
    await expect
      .poll(async () => (await query.select().from(delivery)).map(({ status }) => status))
      .toEqual(['DELIVERED']);

    const calls = receiver.calls.slice(before);
    // A delivery that is stored as delivered is not sent again.
    expect(calls).toHaveLength(killAt === 'commit' ? 0 : 1);
    const sentBefore = killPoints.indexOf(killAt) < killPoints.indexOf('POST create') ? [] : sentByKilled;
    const [stored] = await query.select().from(delivery);
    expect(new Set([...sentBefore, ...calls].map(({ headers, body }) => `${headers['webhook-id']} ${body}`))).toEqual(
      new Set([`${stored?.id} ${stored?.body}`]),
    );
  });
});
