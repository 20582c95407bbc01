import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openEmbeddedEngines } from '@voucher-gateway/platform/engines/embedded';
import { type Receiver, startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delivery } from '../tables.ts';
import { buildCode, buildRequest } from '../testing/delivery-harness.ts';
import { killPoints } from '../testing/kill-points.ts';
import { killedService } from '../testing/killed-service.ts';

const main = fileURLToPath(new URL('../testing/killed-main.ts', import.meta.url));
const openEngines = (dataDir: string) => openEmbeddedEngines({ dataDir, ...killedService.options });
const createFolder = () => mkdtempDisposable(join(tmpdir(), 'voucher-gateway-'));

const resources = new AsyncDisposableStack();
let receiver: Receiver;
/** A folder in which a request with its code waits to be consumed. */
let prepared: string;

beforeAll(async () => {
  receiver = resources.use(await startReceiver({ answer: 204 }));
  prepared = resources.use(await createFolder()).path;
  await using engines = await openEngines(prepared);
  const service = await killedService.start(engines);
  await service[Symbol.asyncDispose]();
  const request = buildRequest({ callbackUrl: receiver.url });
  await engines.database.transaction(async (tx) => {
    await engines.topics.publish(tx, schemaTopics.requestCode, request);
    await engines.topics.publish(tx, schemaTopics.receiveCode, buildCode(request));
  });
});
afterAll(() => resources.disposeAsync());

/** Starts the service in a process on the folder. Returns the points that it has reached when it is killed or has ended. */
async function runKilled(folder: string, killAt: string): Promise<string[]> {
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, DATA_DIR: folder, KILL_AT: killAt },
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
    await using folder = await createFolder();
    await cp(prepared, folder.path, { recursive: true });
    const before = receiver.calls.length;
    expect(await runKilled(folder.path, killAt)).toEqual(killPoints.slice(0, killPoints.indexOf(killAt) + 1));

    await using engines = await openEngines(folder.path);
    const { query } = engines.database;
    // As if the lease of the killed process had ended.
    await query.update(delivery).set({ nextAttemptAt: new Date() }).where(sql`${delivery.status} = 'PENDING'`);
    await using _next = await killedService.start(engines);
    await expect
      .poll(async () => (await query.select().from(delivery)).map(({ status }) => status))
      .toEqual(['DELIVERED']);

    const calls = receiver.calls.slice(before);
    const [stored] = await query.select().from(delivery);
    expect(new Set(calls.map(({ headers, body }) => `${headers['webhook-id']} ${body}`))).toEqual(
      new Set([`${stored?.id} ${stored?.body}`]),
    );
    // What is stored as delivered is not sent again.
    expect(calls.length).toBeLessThanOrEqual(killAt === 'commit' ? 1 : 2);
  });
});
