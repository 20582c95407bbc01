import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postEntities, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { sendRaw } from '@voucher-gateway/platform/testing/raw-http';
import { startIssuer, type TestUser } from '@voucher-gateway/platform/testing/tokens';
import type { Message } from '@voucher-gateway/platform/topics';
import { callbackUrlKey } from '@voucher-gateway/schema/callback-url';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { type ReceiveCode, type RequestCode, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { voucherSettings } from './config.ts';
import { createVoucherService } from './server.ts';

async function setUp({ keyValue, settings }: { keyValue?: Partial<KeyValue>; settings?: Environment } = {}) {
  const resources = new AsyncDisposableStack();
  const clock = createTestClock();
  const log = createMemoryLog();
  const engines = resources.use(await openTestEngines({ clock, log }));
  const issuer = resources.use(await startIssuer());
  const config = readConfig(voucherSettings, { PORT: '0', JWKS_URL: issuer.jwksUrl, ...settings });
  const service = resources.use(
    await createVoucherService({
      ...engines,
      ...(keyValue && { keyValue: { ...engines.keyValue, ...keyValue } }),
      clock,
      log,
      config,
    }),
  );
  const ann = await issuer.user();
  const requested: Message<RequestCode>[] = [];
  let notify = () => {};
  resources.use(
    await engines.topics.tail({
      topic: schemaTopics.requestCode,
      from: 'now',
      onMessage: (message) => {
        requested.push(message);
        notify();
      },
    }),
  );
  const url = `${service.url}/graphql`;
  const post = (query: string, variables: object = {}, user: TestUser | null = ann) =>
    postGraphql(url, query, variables, user?.token);
  const rows = async (table: string) => (await engines.database.query.execute(sql.raw(`select * from ${table}`))).rows;
  return {
    clock,
    log,
    engines,
    issuer,
    ann,
    post,
    rows,
    url,
    request: (input: object = {}, user?: TestUser) =>
      post(
        `mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id status message phoneNumber requestedAt expectedBy cursor failureReason voucher { code } } }`,
        { input },
        user,
      ),
    async requests(count: number) {
      while (requested.length < count) {
        await new Promise<void>((resolve) => {
          notify = resolve;
        });
      }
      return requested;
    },
    /** Publishes outcomes and waits until the last has been consumed. */
    async receive(...values: Partial<ReceiveCode>[]) {
      const codes: ReceiveCode[] = values.map((value) => ({
        id: randomUUID(),
        requestId: randomUUID(),
        code: `CODE-${randomUUID().slice(0, 8)}`,
        phoneNumber: ann.phoneNumber,
        status: 'SUCCESS',
        requestedAt: new Date(clock.now()).toISOString(),
        receivedAt: new Date(clock.now()).toISOString(),
        owner: { id: ann.userId },
        ...value,
      }));
      await engines.database.transaction(async (tx) => {
        for (const code of codes) await engines.topics.publish(tx, schemaTopics.receiveCode, code);
      });
      await this.consumed();
      return codes;
    },
    async fail(value: { requestId: string; reason?: 'PROVIDER_REFUSED' | 'PROVIDER_SILENT' }) {
      const at = new Date(clock.now()).toISOString();
      await engines.database.transaction((tx) =>
        engines.topics.publish(tx, schemaTopics.requestFailed, {
          reason: 'PROVIDER_SILENT',
          message: 'The voucher provider did not send the code in time.',
          phoneNumber: ann.phoneNumber,
          requestedAt: at,
          failedAt: at,
          owner: { id: ann.userId },
          ...value,
        }),
      );
      await this.consumed();
    },
    /** Waits until the service has consumed all published messages. */
    async consumed() {
      await expect
        .poll(async () => {
          const { rows: unconsumed } = await engines.database.query.execute(sql`
            select topic from platform.topic_message where topic in ('receive-code', 'request-failed') group by topic
            having max(id) > coalesce((select position from voucher.consumed_position as c where c.topic = platform.topic_message.topic), 0)`);
          return unconsumed.length;
        })
        .toBe(0);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
interface Page {
  edges: { node: { id: string } }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}
const codesOf = ({ errors }: Answer) => errors?.map((error) => error.extensions?.code);
const list = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: VoucherFilter, $phoneNumber: String) {
  purchasedVouchers(first: $first, after: $after, last: $last, before: $before, filter: $filter, phoneNumber: $phoneNumber) {
    edges { cursor node { id } } nodes { code } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } storedThrough { topic partition position }
  }
}`;

it('requestVoucher: stores the row, the message and the callbackUrl', async () => {
  await using ctx = await setUp();
  const { data } = await ctx.request({ callbackUrl: 'https://example.com/hook?x=1#part' });
  const at = new Date(ctx.clock.now());
  expect(data?.requestVoucher).toEqual({
    id: expect.any(String),
    status: 'PENDING',
    message: 'Your request is being processed within 30 seconds',
    phoneNumber: ctx.ann.phoneNumber,
    requestedAt: at.toISOString(),
    expectedBy: new Date(at.getTime() + 30_000).toISOString(),
    cursor: encodeCursor(null),
    failureReason: null,
    voucher: null,
  });
  const { id } = data?.requestVoucher as { id: string };
  const [message] = await ctx.requests(1);
  expect(message).toMatchObject({
    key: id,
    value: {
      requestId: id,
      userId: ctx.ann.userId,
      phoneNumber: ctx.ann.phoneNumber,
      callbackUrl: 'https://example.com/hook?x=1',
    },
  });
  await expect
    .poll(() => ctx.engines.keyValue.get(callbackUrlKey(id)))
    .toBe(JSON.stringify({ callbackUrl: 'https://example.com/hook?x=1' }));
});

it("requestVoucher: accepts the user's own phone number in any form, and no other", async () => {
  await using ctx = await setUp();
  const local = `0${ctx.ann.phoneNumber.slice(3)}`;
  expect((await ctx.request({ phoneNumber: local })).errors).toBeUndefined();
  expect(codesOf(await ctx.request({ phoneNumber: '0909123456' }))).toEqual(['FORBIDDEN']);
  expect(codesOf(await ctx.request({ phoneNumber: 'hello' }))).toEqual(['PHONE_NUMBER_INVALID']);
  expect(codesOf(await ctx.post(list, { phoneNumber: '0909123456' }))).toEqual(['FORBIDDEN']);
});

it.each([
  ['a callbackUrl that is not a URL', { callbackUrl: 'nonsense' }, 'CALLBACK_URL_REFUSED'],
  ['an empty callbackUrl', { callbackUrl: '' }, 'CALLBACK_URL_REFUSED'],
  ['a callbackUrl that is not http', { callbackUrl: 'ftp://example.com/' }, 'CALLBACK_URL_REFUSED'],
  ['a callbackUrl with a password', { callbackUrl: 'https://user:secret@example.com/' }, 'CALLBACK_URL_REFUSED'],
  [
    'a callbackUrl that is too long',
    { callbackUrl: `https://example.com/${'x'.repeat(2_048)}` },
    'CALLBACK_URL_REFUSED',
  ],
  ['an empty idempotencyKey', { idempotencyKey: '' }, 'BAD_USER_INPUT'],
  ['an idempotencyKey that is too long', { idempotencyKey: 'x'.repeat(256) }, 'BAD_USER_INPUT'],
])('requestVoucher: rejects %s and stores nothing', async (_what, input, code) => {
  await using ctx = await setUp();
  expect(codesOf(await ctx.request(input))).toEqual([code]);
  expect(await ctx.rows('voucher_request')).toEqual([]);
  expect(await ctx.rows('platform.topic_message')).toEqual([]);
});

it('operations: reject signed-out users and forged tokens', async () => {
  await using ctx = await setUp();
  for (const query of [
    '{ purchasedVouchers { nodes { id } } }',
    '{ voucherRequest(id: "x") { id } }',
    'mutation { requestVoucher(input: {}) { id } }',
  ]) {
    expect(codesOf(await ctx.post(query, {}, null))).toEqual(['UNAUTHENTICATED']);
  }
  await using other = await startIssuer();
  expect(codesOf(await ctx.request({}, await other.user()))).toEqual(['UNAUTHENTICATED']);
});

it('idempotency key: returns the same request for the same input, also concurrently', async () => {
  await using ctx = await setUp();
  const input = { idempotencyKey: 'k', callbackUrl: 'https://example.com' };
  const answers = await Promise.all([
    ctx.request(input),
    ctx.request(input),
    ctx.request({ ...input, phoneNumber: ctx.ann.phoneNumber, callbackUrl: 'https://EXAMPLE.com/' }),
  ]);
  expect(new Set(answers.map(({ data }) => data?.requestVoucher.id)).size).toBe(1);
  expect(await ctx.requests(1)).toHaveLength(1);
});

it('idempotency key: rejects another input until it expires, per user', async () => {
  await using ctx = await setUp();
  const first = await ctx.request({ idempotencyKey: 'k' });
  expect(codesOf(await ctx.request({ idempotencyKey: 'k', callbackUrl: 'https://example.com' }))).toEqual([
    'IDEMPOTENCY_KEY_REUSED',
  ]);
  const bob = await ctx.issuer.user();
  expect((await ctx.request({ idempotencyKey: 'k' }, bob)).data?.requestVoucher.id).not.toBe(
    first.data?.requestVoucher.id,
  );
  ctx.clock.jump(86_400_000);
  const later = await ctx.issuer.user({ ...ctx.ann, now: ctx.clock.now() });
  const again = await ctx.request({ idempotencyKey: 'k', callbackUrl: 'https://example.com' }, later);
  expect(again.data?.requestVoucher.id).not.toBe(first.data?.requestVoucher.id);
});

it('idempotency key: returns its request until it expires, then is deleted', async () => {
  await using ctx = await setUp({ settings: { IDEMPOTENCY_KEY_RETENTION: '30m' } });
  const request = async () => (await ctx.request({ idempotencyKey: 'k' })).data?.requestVoucher.id;
  const first = await request();
  ctx.clock.advance(1_799_999);
  // An expired key is kept for a moment, for a retry that has already started.
  expect(await request()).toBe(first);
  expect(await ctx.rows('voucher.idempotency_key')).toHaveLength(1);
  ctx.clock.advance(300_001);
  await expect
    .poll(() => {
      ctx.clock.advance(600_000);
      return ctx.rows('voucher.idempotency_key');
    })
    .toEqual([]);
  expect(await ctx.rows('voucher.voucher_request')).toHaveLength(1);
});

// Regression: requests whose clients had left were stored first, until the clients of all others had left as well.
it('requestVoucher: drops the waiting requests of clients that have left', async () => {
  await using ctx = await setUp();
  const body = JSON.stringify({ query: 'mutation { requestVoucher(input: {}) { id } }' });
  const head = `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${ctx.ann.token}`;
  // No request is stored before this transaction ends.
  await ctx.engines.database.transaction(async () => {
    const leave = () => sendRaw(ctx.url, `${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await Promise.all(Array.from({ length: 10 }, leave));
  });
  const { data } = await ctx.request();
  const stored = (await ctx.rows('voucher.voucher_request')).map(({ id }) => id);
  expect(stored).toContain(data?.requestVoucher.id);
  // Two batches had started, and are stored although their clients have left.
  expect(stored.length).toBeLessThanOrEqual(3);
});

it('requestVoucher: accepts while the key-value store is unavailable', async () => {
  await using ctx = await setUp({ keyValue: { set: () => Promise.reject(new Error('away')) } });
  expect((await ctx.request({ callbackUrl: 'https://example.com' })).errors).toBeUndefined();
});

it('voucherRequest: is fulfilled by its code, and visible to its owner only', async () => {
  await using ctx = await setUp();
  const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
  const [code] = await ctx.receive({ requestId: id });
  const query = `query ($id: ID!) { voucherRequest(id: $id) { status message voucher { code status owner { __typename id } } } }`;
  expect((await ctx.post(query, { id })).data?.voucherRequest).toEqual({
    status: 'FULFILLED',
    message: 'Your voucher code is ready.',
    voucher: { code: code?.code, status: 'SUCCESS', owner: { __typename: 'User', id: ctx.ann.userId } },
  });
  expect((await ctx.post(query, { id }, await ctx.issuer.user())).data).toEqual({ voucherRequest: null });
  expect((await ctx.post(query, { id: 'nonsense' })).data).toEqual({ voucherRequest: null });
});

it('voucherRequest: reports a late request, then its failure with the reason', async () => {
  await using ctx = await setUp();
  const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
  const state = async () =>
    (await ctx.post('query ($id: ID!) { voucherRequest(id: $id) { status message failureReason } }', { id })).data
      ?.voucherRequest;
  ctx.clock.advance(30_001);
  expect(await state()).toMatchObject({ status: 'PENDING', message: expect.stringContaining('longer than usual') });
  await ctx.fail({ requestId: id });
  expect(await state()).toEqual({
    status: 'FAILED',
    message: 'The voucher provider did not send the code in time.',
    failureReason: 'PROVIDER_SILENT',
  });
});

it('outcomes: store one voucher per request, numbered in order of consumption', async () => {
  await using ctx = await setUp();
  const [a] = await ctx.receive({ receivedAt: '2026-01-03T00:00:00.000Z' });
  await ctx.receive({ ...a }, { receivedAt: '2026-01-01T00:00:00.000Z' }, { phoneNumber: '+84911111111' }, { ...a });
  const rows = (await ctx.rows('voucher')).toSorted((x, y) => Number(x.feed_number) - Number(y.feed_number));
  expect(rows.filter((row) => row.phone_number === ctx.ann.phoneNumber).map((row) => row.feed_number)).toEqual([1, 2]);
  expect(rows).toHaveLength(3);
});

it('voucherRequest: has the end of the feed as its cursor', async () => {
  await using ctx = await setUp();
  const [a] = await ctx.receive({}, { phoneNumber: '+84911111111' });
  expect((await ctx.request()).data?.requestVoucher.cursor).toBe(encodeCursor(a?.id ?? ''));
});

it('purchasedVouchers: pages the feed once, in order, both ways, by any size', async () => {
  await using ctx = await setUp();
  const codes = await ctx.receive(...Array.from({ length: 7 }, () => ({})), { phoneNumber: '+84911111111' });
  const ids = codes.slice(0, 7).map((code) => code.id);
  for (const size of [1, 2, 3, 7, 100]) {
    const forwards: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const { edges, pageInfo }: Page = (await ctx.post(list, { first: size, after })).data?.purchasedVouchers;
      forwards.push(...edges.map((edge) => edge.node.id));
      expect(pageInfo.hasPreviousPage).toBe(after !== null);
      after = pageInfo.endCursor;
      more = pageInfo.hasNextPage;
    }
    expect(forwards).toEqual(ids);
    const backwards: string[] = [];
    for (let before: string | null = null, more = true; more; ) {
      const { edges, pageInfo }: Page = (await ctx.post(list, { last: size, before })).data?.purchasedVouchers;
      backwards.unshift(...edges.map((edge) => edge.node.id));
      expect(pageInfo.hasNextPage).toBe(before !== null);
      before = pageInfo.startCursor;
      more = pageInfo.hasPreviousPage;
    }
    expect(backwards).toEqual(ids);
  }
});

it('purchasedVouchers: returns 20 by default, applies filters, and allows no rows', async () => {
  await using ctx = await setUp();
  expect((await ctx.post(list)).data?.purchasedVouchers).toMatchObject({
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
  });
  const codes = await ctx.receive(
    ...Array.from({ length: 21 }, (_, day) => ({ receivedAt: new Date(Date.UTC(2026, 0, day + 1)).toISOString() })),
  );
  const page = (await ctx.post(list)).data?.purchasedVouchers;
  expect(page.nodes).toHaveLength(20);
  expect(page.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  const filtered = async (filter: object) =>
    (await ctx.post(list, { filter })).data?.purchasedVouchers.nodes.map((node: { code: string }) => node.code);
  expect(await filtered({ code: codes[3]?.code })).toEqual([codes[3]?.code]);
  expect(await filtered({ receivedFrom: '2026-01-05T00:00:00Z', receivedTo: '2026-01-07T00:00:00Z' })).toEqual([
    codes[4]?.code,
    codes[5]?.code,
  ]);
  expect(await filtered({ code: 'none' })).toEqual([]);
});

it.each([
  [{ first: -1 }, 'BAD_USER_INPUT'],
  [{ first: 101 }, 'BAD_USER_INPUT'],
  [{ last: 101 }, 'BAD_USER_INPUT'],
  [{ first: 1, last: 1 }, 'BAD_USER_INPUT'],
  [{ after: 'nonsense' }, 'CURSOR_INVALID'],
  [{ before: encodeCursor('nonsense') }, 'CURSOR_INVALID'],
  [{ after: encodeCursor(randomUUID()) }, 'CURSOR_INVALID'],
  [{ filter: { receivedFrom: 'yesterday' } }, 'BAD_USER_INPUT'],
])('purchasedVouchers: rejects %j with %s', async (variables, code) => {
  await using ctx = await setUp();
  expect(codesOf(await ctx.post(list, variables))).toEqual([code]);
});

it("purchasedVouchers: rejects a cursor of another user's feed", async () => {
  await using ctx = await setUp();
  const [theirs] = await ctx.receive({ phoneNumber: '+84911111111' });
  expect(codesOf(await ctx.post(list, { after: encodeCursor(theirs?.id ?? '') }))).toEqual(['CURSOR_INVALID']);
});

it('purchasedVouchers: reports the position up to which the topic is stored', async () => {
  await using ctx = await setUp();
  await ctx.receive(
    ...Array.from({ length: 30 }, (_, index) => ({ phoneNumber: index % 2 ? ctx.ann.phoneNumber : '+84911111111' })),
  );
  const { storedThrough } = (await ctx.post(list)).data?.purchasedVouchers;
  const { rows } = await ctx.engines.database.query.execute(
    sql`select id from platform.topic_message order by id desc limit 1`,
  );
  expect(storedThrough).toContainEqual({
    topic: 'receive-code',
    partition: 0,
    position: String(rows[0]?.id),
  });
});

it("entities: resolve the user's own by reference, and null for others", async () => {
  await using ctx = await setUp();
  const { id: requestId } = (await ctx.request()).data?.requestVoucher as { id: string };
  const [code] = await ctx.receive({ requestId });
  const references = [
    { __typename: 'Voucher', id: code?.id },
    { __typename: 'VoucherRequest', id: requestId },
    { __typename: 'Voucher', id: randomUUID() },
    { __typename: 'VoucherRequest', id: 'nonsense' },
  ];
  const selection = '... on Voucher { code } ... on VoucherRequest { status }';
  expect((await postEntities(ctx.url, references, selection, ctx.ann.token)).data?._entities).toEqual([
    { code: code?.code },
    { status: 'FULFILLED' },
    null,
    null,
  ]);
  expect((await postEntities(ctx.url, references, selection, (await ctx.issuer.user()).token)).data?._entities).toEqual(
    [null, null, null, null],
  );
});

it('sweep: publishes an overdue request again, with the same value', async () => {
  await using ctx = await setUp();
  await ctx.request();
  const done = (await ctx.request()).data?.requestVoucher as { id: string };
  await ctx.receive({ requestId: done.id });
  const [first] = await ctx.requests(2);
  ctx.clock.jump(3_600_000 + 300_001);
  const messages = await ctx.requests(3);
  expect(messages).toHaveLength(3);
  expect(messages[2]?.value).toEqual(first?.value);
});

it('outcomes: sends a malformed message to dead-letter, and continues', async () => {
  await using ctx = await setUp();
  await ctx.engines.database.query.execute(sql`
    insert into platform.topic_message (topic, key, value, headers, published_at)
    values ('receive-code', 'k', 'no json', '{}', now()), ('receive-code', 'k', '{"code":"lost"}', '{}', now())`);
  await ctx.receive({});
  await expect
    .poll(
      async () =>
        (
          await ctx.engines.database.query.execute(
            sql`select 1 from platform.topic_message where topic = 'receive-code.dead-letter'`,
          )
        ).rows.length,
    )
    .toBe(2);
  expect(await ctx.rows('voucher')).toHaveLength(1);
});

it('log: contains no code, phone number or callbackUrl', async () => {
  await using ctx = await setUp();
  await ctx.request({ callbackUrl: 'https://example.com/secret-hook' });
  const [code] = await ctx.receive({});
  for (const secret of [code?.code ?? '', ctx.ann.phoneNumber, 'secret-hook'])
    expect(ctx.log.text).not.toContain(secret);
});
