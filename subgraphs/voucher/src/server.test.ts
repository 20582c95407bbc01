import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/clock';
import { type Environment, readConfig } from '@voucher-gateway/platform/config';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postEntities, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
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
  let heard = () => {};
  resources.use(
    await engines.topics.tail({
      topic: schemaTopics.requestCode,
      from: 'now',
      onMessage: (message) => {
        requested.push(message);
        heard();
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
          heard = resolve;
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
    /** Waits until the service has consumed everything that is published. */
    async consumed() {
      await expect
        .poll(async () => {
          const { rows: behind } = await engines.database.query.execute(sql`
            select topic from platform.topic_message where topic in ('receive-code', 'request-failed') group by topic
            having max(id) > coalesce((select position from voucher.consumed_position as c where c.topic = platform.topic_message.topic), 0)`);
          return behind.length;
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

it('accepts a request at once: row, message and callbackUrl', async () => {
  await using set = await setUp();
  const { data } = await set.request({ callbackUrl: 'https://example.com/hook?x=1#part' });
  const at = new Date(set.clock.now());
  expect(data?.requestVoucher).toEqual({
    id: expect.any(String),
    status: 'PENDING',
    message: 'Your request is being processed within 30 seconds',
    phoneNumber: set.ann.phoneNumber,
    requestedAt: at.toISOString(),
    expectedBy: new Date(at.getTime() + 30_000).toISOString(),
    cursor: encodeCursor(null),
    failureReason: null,
    voucher: null,
  });
  const { id } = data?.requestVoucher as { id: string };
  const [message] = await set.requests(1);
  expect(message).toMatchObject({
    key: id,
    value: {
      requestId: id,
      userId: set.ann.userId,
      phoneNumber: set.ann.phoneNumber,
      callbackUrl: 'https://example.com/hook?x=1',
    },
  });
  await expect
    .poll(() => set.engines.keyValue.get(callbackUrlKey(id)))
    .toBe(JSON.stringify({ callbackUrl: 'https://example.com/hook?x=1' }));
});

it("takes the user's own phone number in any form, and no other", async () => {
  await using set = await setUp();
  const local = `0${set.ann.phoneNumber.slice(3)}`;
  expect((await set.request({ phoneNumber: local })).errors).toBeUndefined();
  expect(codesOf(await set.request({ phoneNumber: '0909123456' }))).toEqual(['FORBIDDEN']);
  expect(codesOf(await set.request({ phoneNumber: 'hello' }))).toEqual(['PHONE_NUMBER_INVALID']);
  expect(codesOf(await set.post(list, { phoneNumber: '0909123456' }))).toEqual(['FORBIDDEN']);
});

it.each([
  ['a callbackUrl that is none', { callbackUrl: 'nonsense' }, 'CALLBACK_URL_REFUSED'],
  ['an empty callbackUrl', { callbackUrl: '' }, 'CALLBACK_URL_REFUSED'],
  ['a callbackUrl that is no http', { callbackUrl: 'ftp://example.com/' }, 'CALLBACK_URL_REFUSED'],
  ['a callbackUrl with a password', { callbackUrl: 'https://user:secret@example.com/' }, 'CALLBACK_URL_REFUSED'],
  [
    'a callbackUrl that is too long',
    { callbackUrl: `https://example.com/${'x'.repeat(2_048)}` },
    'CALLBACK_URL_REFUSED',
  ],
  ['an empty idempotencyKey', { idempotencyKey: '' }, 'BAD_USER_INPUT'],
  ['an idempotencyKey that is too long', { idempotencyKey: 'x'.repeat(256) }, 'BAD_USER_INPUT'],
])('refuses %s and leaves nothing behind', async (_what, input, code) => {
  await using set = await setUp();
  expect(codesOf(await set.request(input))).toEqual([code]);
  expect(await set.rows('voucher_request')).toEqual([]);
  expect(await set.rows('platform.topic_message')).toEqual([]);
});

it('asks the signed-out to sign in, and refuses a forged token', async () => {
  await using set = await setUp();
  for (const query of [
    '{ purchasedVouchers { nodes { id } } }',
    '{ voucherRequest(id: "x") { id } }',
    'mutation { requestVoucher(input: {}) { id } }',
  ]) {
    expect(codesOf(await set.post(query, {}, null))).toEqual(['UNAUTHENTICATED']);
  }
  await using other = await startIssuer();
  expect(codesOf(await set.request({}, await other.user()))).toEqual(['UNAUTHENTICATED']);
});

it('gives the same request for the same idempotencyKey and input, also twice at once', async () => {
  await using set = await setUp();
  const input = { idempotencyKey: 'k', callbackUrl: 'https://example.com' };
  const answers = await Promise.all([
    set.request(input),
    set.request(input),
    set.request({ ...input, phoneNumber: set.ann.phoneNumber, callbackUrl: 'https://EXAMPLE.com/' }),
  ]);
  expect(new Set(answers.map(({ data }) => data?.requestVoucher.id)).size).toBe(1);
  expect(await set.requests(1)).toHaveLength(1);
});

it('refuses an idempotencyKey that stands for another input; it is free again after 24 hours, and another user has their own', async () => {
  await using set = await setUp();
  const first = await set.request({ idempotencyKey: 'k' });
  expect(codesOf(await set.request({ idempotencyKey: 'k', callbackUrl: 'https://example.com' }))).toEqual([
    'IDEMPOTENCY_KEY_REUSED',
  ]);
  const bob = await set.issuer.user();
  expect((await set.request({ idempotencyKey: 'k' }, bob)).data?.requestVoucher.id).not.toBe(
    first.data?.requestVoucher.id,
  );
  set.clock.jump(86_400_000);
  const later = await set.issuer.user({ ...set.ann, now: set.clock.now() });
  const again = await set.request({ idempotencyKey: 'k', callbackUrl: 'https://example.com' }, later);
  expect(again.data?.requestVoucher.id).not.toBe(first.data?.requestVoucher.id);
});

it('idempotency key: gives its request for its retention, and is deleted soon after', async () => {
  await using set = await setUp({ settings: { IDEMPOTENCY_KEY_RETENTION: '30m' } });
  const request = async () => (await set.request({ idempotencyKey: 'k' })).data?.requestVoucher.id;
  const first = await request();
  set.clock.advance(1_799_999);
  // What expires next is still there for a repeat that has begun.
  expect(await request()).toBe(first);
  expect(await set.rows('voucher.idempotency_key')).toHaveLength(1);
  set.clock.advance(300_001);
  await expect
    .poll(() => {
      set.clock.advance(600_000);
      return set.rows('voucher.idempotency_key');
    })
    .toEqual([]);
  expect(await set.rows('voucher.voucher_request')).toHaveLength(1);
});

it('accepts while the key-value store is away', async () => {
  await using set = await setUp({ keyValue: { set: () => Promise.reject(new Error('away')) } });
  expect((await set.request({ callbackUrl: 'https://example.com' })).errors).toBeUndefined();
});

it('fulfils a request when its code comes, and shows it to its owner alone', async () => {
  await using set = await setUp();
  const { id } = (await set.request()).data?.requestVoucher as { id: string };
  const [code] = await set.receive({ requestId: id });
  const query = `query ($id: ID!) { voucherRequest(id: $id) { status message voucher { code status owner { __typename id } } } }`;
  expect((await set.post(query, { id })).data?.voucherRequest).toEqual({
    status: 'FULFILLED',
    message: 'Your voucher code is ready.',
    voucher: { code: code?.code, status: 'SUCCESS', owner: { __typename: 'User', id: set.ann.userId } },
  });
  expect((await set.post(query, { id }, await set.issuer.user())).data).toEqual({ voucherRequest: null });
  expect((await set.post(query, { id: 'nonsense' })).data).toEqual({ voucherRequest: null });
});

it('tells the present state: late after 30 seconds, failed with its reason, and final', async () => {
  await using set = await setUp();
  const { id } = (await set.request()).data?.requestVoucher as { id: string };
  const state = async () =>
    (await set.post('query ($id: ID!) { voucherRequest(id: $id) { status message failureReason } }', { id })).data
      ?.voucherRequest;
  set.clock.advance(30_001);
  expect(await state()).toMatchObject({ status: 'PENDING', message: expect.stringContaining('longer than usual') });
  await set.fail({ requestId: id });
  expect(await state()).toEqual({
    status: 'FAILED',
    message: 'The voucher provider did not send the code in time.',
    failureReason: 'PROVIDER_SILENT',
  });
});

it('stores one voucher a request however often its code comes, numbered in the order of consumption', async () => {
  await using set = await setUp();
  const [a] = await set.receive({ receivedAt: '2026-01-03T00:00:00.000Z' });
  await set.receive({ ...a }, { receivedAt: '2026-01-01T00:00:00.000Z' }, { phoneNumber: '+84911111111' }, { ...a });
  const rows = (await set.rows('voucher')).toSorted((x, y) => Number(x.feed_number) - Number(y.feed_number));
  expect(rows.filter((row) => row.phone_number === set.ann.phoneNumber).map((row) => row.feed_number)).toEqual([1, 2]);
  expect(rows).toHaveLength(3);
});

it('gives a request the end of the feed as its cursor', async () => {
  await using set = await setUp();
  const [a] = await set.receive({}, { phoneNumber: '+84911111111' });
  expect((await set.request()).data?.requestVoucher.cursor).toBe(encodeCursor(a?.id ?? ''));
});

it('pages the whole feed once, in order, both ways, by any size', async () => {
  await using set = await setUp();
  const codes = await set.receive(...Array.from({ length: 7 }, () => ({})), { phoneNumber: '+84911111111' });
  const ids = codes.slice(0, 7).map((code) => code.id);
  for (const size of [1, 2, 3, 7, 100]) {
    const forwards: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const { edges, pageInfo }: Page = (await set.post(list, { first: size, after })).data?.purchasedVouchers;
      forwards.push(...edges.map((edge) => edge.node.id));
      expect(pageInfo.hasPreviousPage).toBe(after !== null);
      after = pageInfo.endCursor;
      more = pageInfo.hasNextPage;
    }
    expect(forwards).toEqual(ids);
    const backwards: string[] = [];
    for (let before: string | null = null, more = true; more; ) {
      const { edges, pageInfo }: Page = (await set.post(list, { last: size, before })).data?.purchasedVouchers;
      backwards.unshift(...edges.map((edge) => edge.node.id));
      expect(pageInfo.hasNextPage).toBe(before !== null);
      before = pageInfo.startCursor;
      more = pageInfo.hasPreviousPage;
    }
    expect(backwards).toEqual(ids);
  }
});

it('answers 20 by default, an empty page without cursors, and what the filter says', async () => {
  await using set = await setUp();
  expect((await set.post(list)).data?.purchasedVouchers).toMatchObject({
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
  });
  const codes = await set.receive(
    ...Array.from({ length: 21 }, (_, day) => ({ receivedAt: new Date(Date.UTC(2026, 0, day + 1)).toISOString() })),
  );
  const page = (await set.post(list)).data?.purchasedVouchers;
  expect(page.nodes).toHaveLength(20);
  expect(page.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  const filtered = async (filter: object) =>
    (await set.post(list, { filter })).data?.purchasedVouchers.nodes.map((node: { code: string }) => node.code);
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
])('refuses %j with %s', async (variables, code) => {
  await using set = await setUp();
  expect(codesOf(await set.post(list, variables))).toEqual([code]);
});

it("refuses a cursor of another user's feed", async () => {
  await using set = await setUp();
  const [theirs] = await set.receive({ phoneNumber: '+84911111111' });
  expect(codesOf(await set.post(list, { after: encodeCursor(theirs?.id ?? '') }))).toEqual(['CURSOR_INVALID']);
});

it('answers through where it has stored the topic, never ahead of its rows', async () => {
  await using set = await setUp();
  await set.receive(
    ...Array.from({ length: 30 }, (_, index) => ({ phoneNumber: index % 2 ? set.ann.phoneNumber : '+84911111111' })),
  );
  const { storedThrough } = (await set.post(list)).data?.purchasedVouchers;
  const { rows } = await set.engines.database.query.execute(
    sql`select id from platform.topic_message order by id desc limit 1`,
  );
  expect(storedThrough).toContainEqual({
    topic: 'receive-code',
    partition: 0,
    position: String(rows[0]?.id),
  });
});

it('resolves its entities by reference: one’s own, null for others', async () => {
  await using set = await setUp();
  const { id: requestId } = (await set.request()).data?.requestVoucher as { id: string };
  const [code] = await set.receive({ requestId });
  const references = [
    { __typename: 'Voucher', id: code?.id },
    { __typename: 'VoucherRequest', id: requestId },
    { __typename: 'Voucher', id: randomUUID() },
    { __typename: 'VoucherRequest', id: 'nonsense' },
  ];
  const selection = '... on Voucher { code } ... on VoucherRequest { status }';
  expect((await postEntities(set.url, references, selection, set.ann.token)).data?._entities).toEqual([
    { code: code?.code },
    { status: 'FULFILLED' },
    null,
    null,
  ]);
  expect((await postEntities(set.url, references, selection, (await set.issuer.user()).token)).data?._entities).toEqual(
    [null, null, null, null],
  );
});

it('publishes a request again that pends past its give-up time, the same bytes, and no other', async () => {
  await using set = await setUp();
  await set.request();
  const done = (await set.request()).data?.requestVoucher as { id: string };
  await set.receive({ requestId: done.id });
  const [first] = await set.requests(2);
  set.clock.jump(3_600_000 + 300_001);
  const messages = await set.requests(3);
  expect(messages).toHaveLength(3);
  expect(messages[2]?.value).toEqual(first?.value);
});

it('sends a malformed outcome to dead-letter and goes on', async () => {
  await using set = await setUp();
  await set.engines.database.query.execute(sql`
    insert into platform.topic_message (topic, key, value, headers, published_at)
    values ('receive-code', 'k', 'no json', '{}', now()), ('receive-code', 'k', '{"code":"lost"}', '{}', now())`);
  await set.receive({});
  await expect
    .poll(
      async () =>
        (
          await set.engines.database.query.execute(
            sql`select 1 from platform.topic_message where topic = 'receive-code.dead-letter'`,
          )
        ).rows.length,
    )
    .toBe(2);
  expect(await set.rows('voucher')).toHaveLength(1);
});

it('writes no code, phone number or callbackUrl to its log', async () => {
  await using set = await setUp();
  await set.request({ callbackUrl: 'https://example.com/secret-hook' });
  const [code] = await set.receive({});
  for (const secret of [code?.code ?? '', set.ann.phoneNumber, 'secret-hook'])
    expect(set.log.text).not.toContain(secret);
});
