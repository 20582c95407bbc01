import { readFile } from 'node:fs/promises';
import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { realEngines } from '@voucher-gateway/platform/testing/real-engines';
import { serviceNames } from '@voucher-gateway/standalone/distributed';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { expect, inject, it, onTestFinished } from 'vitest';
import { runTopics } from '../admin-command.ts';
import { startCustomer } from '../customer.ts';
import { startFollower } from '../follower.ts';
import { requestSomehow, storedVouchers } from '../resume-run.ts';
import { startDistributed } from './system.ts';

/** Returns the commands of the runbook for a deleted topic, each as a list of words. */
async function runbookCommands(): Promise<string[][]> {
  const text = await readFile(new URL('../../../docs/runbooks.md', import.meta.url), 'utf8');
  const section = text.split('## A topic that was deleted\n')[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^ *npm run topics -- (.*?) +#/gm)].map(([, words = '']) => words.split(' '));
}

it('runbook: the messages of a deleted topic are recovered', { timeout: 400_000 }, async () => {
  const releases = new AsyncDisposableStack();
  // If the test fails, a hook prints the system's log (service-logs.ts). `onTestFinished` runs after this hook, so the
  // log still exists when it is printed.
  onTestFinished(() => releases.disposeAsync());
  const system = releases.use(await startDistributed({ VPS_PROFILE: 'fast', DRAIN_WINDOW: '1ms' }));
  const { KAFKA_BROKERS } = realEngines();
  const topic = `${system.topicPrefix}receive-code`;
  const admin = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING }).admin();
  const database = new pg.Client({ connectionString: system.databaseUrl });
  await Promise.all([admin.connect(), database.connect()]);
  releases.defer(() => admin.disconnect());
  releases.defer(() => database.end());
  const customer = releases.use(await startCustomer(system));
  const nextGateway = () => system.gatewayUrl;
  const stored = () => storedVouchers(customer, system.gatewayUrl);
  const published = async () => (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
  const { cursor } = await requestSomehow(customer, nextGateway);
  const follower = releases.use(startFollower({ token: customer.token, after: cursor, nextGateway }));
  await expect.poll(async () => (await stored()).length).toBe(1);

  // Because of the lock, the voucher service can't store the next three codes. These codes are only in the topic, which
  // is deleted below.
  await database.query('begin');
  await database.query('lock table voucher.voucher in share mode');
  for (const _code of [1, 2, 3]) await requestSomehow(customer, nextGateway);
  await expect.poll(published).toBe(4);
  await system.kill('voucher', 'SIGKILL');
  await database.query('rollback');
  await admin.deleteTopics({ topics: [topic] });
  await system.start('voucher');
  // The message of this request goes to the recreated topic.
  await requestSomehow(customer, nextGateway);
  const live = async (url: string) => {
    const answer = await fetch(`${url}/health/live`);
    return { status: answer.status, body: await answer.text() };
  };
  for (const url of [system.gatewayUrl, system.urls.delivery])
    await expect.poll(() => live(url)).toMatchObject({ status: 503, body: expect.stringContaining('TOPIC_RECREATED') });

  await expect.poll(() => follower.refusals).toContain('SERVICE_UNAVAILABLE');

  const environment = { KAFKA_BROKERS, KAFKA_PREFIX: system.topicPrefix };
  const commands = await runbookCommands();
  expect(commands.map(([, ...groups]) => groups)).toContainEqual(['voucher.receive-code', 'delivery.receive-code']);
  const run = (words: string[]) => runTopics(environment, words, inject('installation'));
  expect(await run(['reread', 'delivery.request-code'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('delivery.request-code'),
  });
  expect(await run(['reread'])).toMatchObject({ code: 2, stderr: expect.stringContaining('reread') });
  await system.stop('SIGTERM');
  for (const words of commands) expect(await run(words)).toMatchObject({ code: 0, stderr: '' });
  for (const name of serviceNames) await system.start(name);
  for (const url of [system.gatewayUrl, system.urls.delivery]) expect(await live(url)).toMatchObject({ status: 200 });

  // Makes the requests look a day old, so that the voucher service publishes them again.
  await database.query(
    `update voucher.voucher_request set published_at = now() - interval '1 day' where status = 'PENDING'`,
  );
  await expect.poll(async () => (await stored()).length, { timeout: 120_000 }).toBe(5);
  await requestSomehow(customer, nextGateway);
  await expect.poll(async () => (await stored()).length).toBe(6);
  const [last] = (await stored()).slice(-1);
  await expect.poll(() => follower.seen).toContain(last);
  const { data } = await postGraphql(
    `${system.gatewayUrl}/graphql`,
    '{ purchasedVouchers { nodes { code } } }',
    {},
    customer.token,
  );
  expect(new Set(data?.purchasedVouchers.nodes.map(({ code }: { code: string }) => code)).size).toBe(6);
});
