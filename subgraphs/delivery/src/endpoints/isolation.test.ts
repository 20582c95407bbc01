import { startDnsServer } from '@voucher-gateway/platform/testing/dns-server';
import { type Receiver, startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { buildRequest, openDeliveryHarness } from '../testing/delivery-harness.ts';

type Harness = Awaited<ReturnType<typeof openDeliveryHarness>>;

/** Starts `count` receivers that all answer in the same way. */
async function startReceivers(count: number, answer: Receiver['answer'], resources: AsyncDisposableStack) {
  const receivers: Receiver[] = [];
  for (let index = 0; index < count; index += 1) receivers.push(resources.use(await startReceiver({ answer })));
  return receivers;
}

/** Sends callbacks of one user to a URL. Returns the requests of these callbacks. */
async function callBack(harness: Harness, callbackUrl: string, { count = 1, userId = buildRequest().userId } = {}) {
  const requests = await Promise.all(Array.from({ length: count }, () => harness.request({ callbackUrl, userId })));
  await Promise.all(requests.map((request) => harness.receive(request)));
  return requests;
}

const statuses = async (harness: Harness, requests: readonly { requestId: string; userId: string }[]) =>
  (await Promise.all(requests.map((request) => harness.deliveries(request)))).flat().map(({ status }) => status);

describe('isolation', () => {
  it('isolation: endpoints that hang take few slots, and do not delay others', async () => {
    await using resources = new AsyncDisposableStack();
    const harness = resources.use(
      await openDeliveryHarness({
        environment: { CALLBACK_TIMEOUT: '1h', CALLBACK_CONCURRENCY: '100', CALLBACK_CONCURRENCY_PER_ENDPOINT: '3' },
      }),
    );
    const hanging = await startReceivers(20, 'hang', resources);
    const working = await startReceivers(10, 200, resources);
    const stuck = await Promise.all(hanging.map(({ url }) => callBack(harness, url, { count: 8 })));
    await expect.poll(() => hanging.map(({ calls }) => calls.length)).toEqual(hanging.map(() => 3));
    const sent = await Promise.all(working.map(({ url }) => callBack(harness, url, { count: 8 })));
    await expect.poll(() => statuses(harness, sent.flat())).toEqual(sent.flat().map(() => 'DELIVERED'));
    // Each hanging receiver has got three callbacks. Further callbacks to it wait in the database, without an attempt.
    expect(hanging.map(({ calls }) => calls.length)).toEqual(hanging.map(() => 3));
    for (const request of stuck[0] ?? [])
      expect(await harness.deliveries(request)).toMatchObject([{ status: 'PENDING', attempts: [] }]);
  });

  it('isolation: endpoints with dead name servers lose attempts, and delay no others', async () => {
    await using resources = new AsyncDisposableStack();
    const dns = resources.use(await startDnsServer());
    const harness = resources.use(
      await openDeliveryHarness({ environment: { CALLBACK_TIMEOUT: '3s', CALLBACK_DNS_SERVERS: dns.address } }),
    );
    const hanging = await startReceivers(20, 'hang', resources);
    const working = await startReceivers(5, 200, resources);
    const byName = ({ url }: Receiver, name: string, addresses: readonly string[] | null) => {
      dns.addresses.set(name, addresses);
      return url.replace('127.0.0.1', name);
    };
    const dead = working.map((receiver, index) => byName(receiver, `dead${index}.example.com`, null));
    const stuck = await Promise.all(dead.map((url) => callBack(harness, url, { count: 2 })));
    await Promise.all(hanging.map(({ url }) => callBack(harness, url, { count: 2 })));
    await expect.poll(() => dns.questions.length).toBeGreaterThanOrEqual(dead.length);
    const urls = working.map((receiver, index) => byName(receiver, `works${index}.example.com`, ['127.0.0.1']));
    const sent = (await Promise.all(urls.map((url) => callBack(harness, url, { count: 4 })))).flat();
    await expect.poll(() => statuses(harness, sent)).toEqual(sent.map(() => 'DELIVERED'));
    for (const request of stuck.flat())
      await expect
        .poll(() => harness.deliveries(request))
        .toMatchObject([{ status: 'PENDING', attempts: [{ error: 'DNS_FAILED' }] }]);
    expect(harness.log.text).not.toContain('CALLBACKS_UNAVAILABLE');
  });

  it('isolation: a user with many origins that hang does not delay other users', async () => {
    await using resources = new AsyncDisposableStack();
    const harness = resources.use(
      await openDeliveryHarness({
        environment: { CALLBACK_TIMEOUT: '1h', CALLBACK_CONCURRENCY: '16', CALLBACK_CONCURRENCY_PER_USER: '5' },
      }),
    );
    const hanging = await startReceivers(10, 'hang', resources);
    const { userId } = buildRequest();
    await Promise.all(hanging.map(({ url }) => callBack(harness, url, { count: 2, userId })));
    const calls = () => hanging.flatMap((receiver) => receiver.calls).length;
    await expect.poll(calls).toBe(5);
    const working = resources.use(await startReceiver());
    const sent = await callBack(harness, working.url, { count: 8 });
    await expect.poll(() => statuses(harness, sent)).toEqual(sent.map(() => 'DELIVERED'));
    expect(calls()).toBe(5);
  });

  it('isolation: a 429 with Retry-After pauses the whole endpoint, and no other', async () => {
    await using harness = await openDeliveryHarness();
    await using busy = await startReceiver();
    await using working = await startReceiver();
    const { userId } = buildRequest();
    busy.answer = (response) => void response.writeHead(429, { 'retry-after': '3600' }).end();
    const [first] = await callBack(harness, busy.url, { userId });
    if (!first) throw new Error('there is no request');
    await expect.poll(async () => (await harness.deliveries(first))[0]?.attempts.length).toBe(1);
    // The next callbacks go to another path of the same origin, and to another origin of the same user.
    const [second] = await callBack(harness, `${busy.url}/other`, { userId });
    const other = await callBack(harness, working.url, { userId });
    await expect.poll(() => statuses(harness, other)).toEqual(['DELIVERED']);
    if (!second) throw new Error('there is no request');
    expect(await harness.deliveries(second)).toMatchObject([{ status: 'PENDING', attempts: [] }]);
    expect(busy.calls).toHaveLength(1);
  });

  it('isolation: an endpoint that fails gets only probes, until one succeeds', async () => {
    await using harness = await openDeliveryHarness({
      environment: {
        CALLBACK_RETRY_SCHEDULE: Array(50).fill('10ms').join(),
        CALLBACK_BREAKER_FAILURES: '3',
        CALLBACK_BREAKER_PAUSE: '300ms',
        CALLBACK_BREAKER_MAX_PAUSE: '300ms',
        CALLBACK_CONCURRENCY_PER_ENDPOINT: '1',
      },
    });
    await using receiver = await startReceiver({ answer: 500 });
    const requests = await callBack(harness, receiver.url, { count: 20 });
    await expect.poll(() => receiver.calls.length).toBeGreaterThanOrEqual(5);
    // Three failures opened the breaker. After that, one attempt is made after each pause.
    expect(harness.log.text).toContain('an endpoint fails');
    receiver.answer = 200;
    const failedCalls = receiver.calls.length;
    await expect.poll(() => statuses(harness, requests)).toEqual(requests.map(() => 'DELIVERED'));
    expect(failedCalls).toBeLessThan(20);
  });

  it('isolation: the queue of an endpoint survives a restart, with its ids and bodies', async () => {
    await using harness = await openDeliveryHarness({
      environment: {
        CALLBACK_TIMEOUT: '1s',
        CALLBACK_CONCURRENCY_PER_ENDPOINT: '1',
        CALLBACK_RETRY_SCHEDULE: '10ms,10ms',
      },
    });
    await using receiver = await startReceiver({ answer: 'hang' });
    const requests = await callBack(harness, receiver.url, { count: 5 });
    const [first] = [await receiver.next()];
    await expect.poll(() => statuses(harness, requests)).toEqual(requests.map(() => 'PENDING'));
    await harness.service[Symbol.asyncDispose]();
    receiver.answer = 200;
    await harness.start();
    await expect.poll(() => statuses(harness, requests), { timeout: 30_000 }).toEqual(requests.map(() => 'DELIVERED'));
    const bodies = Map.groupBy(receiver.calls, ({ headers }) => String(headers['webhook-id']));
    expect(bodies.size).toBe(5);
    for (const calls of bodies.values()) expect(new Set(calls.map(({ body }) => body)).size).toBe(1);
    expect(bodies.get(String(first.headers['webhook-id']))).toHaveLength(2);
  });
});
