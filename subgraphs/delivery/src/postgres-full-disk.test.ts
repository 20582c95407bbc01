import { randomBytes } from 'node:crypto';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openDatabase } from '@voucher-gateway/platform/engines/distributed';
import { databaseSettings } from '@voucher-gateway/platform/engines/settings';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { canMount, createSmallDisk } from '@voucher-gateway/platform/testing/small-disk';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { deliverySettings } from './config.ts';
import { createDeliveryService } from './server.ts';
import { attempt, delivery } from './tables.ts';
import { buildCode, buildRequest } from './testing/delivery-harness.ts';

// A real PostgreSQL runs out of disk space. The topics are on another disk, which has free space. In production, Kafka
// also has disks of its own.
it.skipIf(!canMount)(
  'full disk: loses no delivery, stores no attempt twice, and continues by itself',
  async () => {
    await using disk = await createSmallDisk();
    const log = createMemoryLog();
    const config = readConfig(z.object(databaseSettings), { DATABASE_URL: disk.url });
    await using database = await openDatabase(config, log);
    await using engines = await openTestEngines({ log });
    await using receiver = await startReceiver();
    // Attempts store the large response, so that their table soon has to grow.
    receiver.answer = (response) => void response.writeHead(200).end(randomBytes(600).toString('base64'));
    await using _service = await createDeliveryService({
      ...engines,
      database,
      clock: systemClock,
      config: readConfig(deliverySettings, { PORT: '0', JWKS_URL: 'http://127.0.0.1:9/', SMS: 'off' }),
      log,
    });
    const sent: string[] = [];
    const send = async (count: number) => {
      const requests = Array.from({ length: count }, () => buildRequest({ callbackUrl: receiver.url }));
      await engines.database.transaction(async (tx) => {
        for (const request of requests) {
          await engines.topics.publish(tx, schemaTopics.requestCode, request);
          await engines.topics.publish(tx, schemaTopics.receiveCode, buildCode(request));
        }
      });
      sent.push(...requests.map(({ requestId }) => requestId));
    };
    const delivered = async () =>
      (
        await database.query
          .select({ requestId: delivery.requestId })
          .from(delivery)
          .where(sql`${delivery.status} = 'DELIVERED'`)
      ).length;

    await send(50);
    await expect.poll(delivered).toBe(50);
    // Attempts are in progress while the disk becomes full, so that their results can't be stored.
    const responses: (() => void)[] = [];
    const { answer } = receiver;
    receiver.answer = (response, call) =>
      void responses.push(() => typeof answer === 'function' && answer(response, call));
    await send(30);
    await expect.poll(() => responses.length).toBeGreaterThanOrEqual(16);
    await disk.fill();
    receiver.answer = answer;
    for (const respond of responses) respond();
    await expect
      .poll(async () => {
        await send(10);
        return log.text;
      })
      .toContain("The database's disk is full.");
    // The results of the attempts in progress are not stored yet.
    expect((await database.query.select().from(attempt)).length).toBeLessThan(receiver.calls.length);
    await disk.free();
    await send(20);
    await expect.poll(delivered).toBe(sent.length);

    const stored = await database.query.select().from(delivery);
    const bodies = new Map(stored.map(({ id, body }) => [id, body]));
    expect(stored.map(({ requestId }) => requestId).toSorted()).toEqual(sent.toSorted());
    for (const { headers, body } of receiver.calls) expect(bodies.get(String(headers['webhook-id']))).toBe(body);
    expect(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(sent.length);
    const attempts = await database.query.select().from(attempt);
    expect(attempts.map(({ error }) => error)).toEqual(attempts.map(() => null));
    expect(new Set(attempts.map(({ deliveryId }) => deliveryId)).size).toBe(sent.length);
  },
  120_000,
);
