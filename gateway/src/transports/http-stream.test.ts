import { createHash } from 'node:crypto';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { createClient } from 'graphql-sse';
import { EventSource } from 'undici';
import { expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';
import { startSilentSubgraph } from '../testing/silent-subgraph.ts';

const moved = 'subscription { moved { cursor node { place recipient { name } } } }';
const move = (id: string, customer = 'ann') => ({ id, parcel: 'p1', customer, place: 'Hue', recipient: { id: 'bob' } });
const event = (id: string) => ({
  data: { moved: { cursor: encodeCursor(id), node: { place: 'Hue', recipient: { name: 'name of bob' } } } },
});
type Gateway = Awaited<ReturnType<typeof startTestGateway>>;

/** Opens a stream with fetch. Resolves once the response has started. */
async function open(
  gateway: Gateway,
  {
    query = moved,
    accept = 'text/event-stream',
    headers = {} as Record<string, string>,
    variables = {} as object,
    method = 'POST',
    search = '',
  } = {},
) {
  const response = await fetch(`${gateway.graphqlUrl}${search}`, {
    method,
    headers: { accept, ...(method === 'POST' && { 'content-type': 'application/json' }), ...headers },
    ...(method === 'POST' && { body: JSON.stringify({ query, variables }) }),
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    status: response.status,
    headers: response.headers,
    json: async () => {
      for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) text += read.value;
      return JSON.parse(text);
    },
    /** Resolves with the text so far, once it contains `part`. */
    async until(part: string) {
      while (!text.includes(part)) {
        const read = await reader?.read();
        if (!read || read.done) throw new Error(`the stream ended before ${part} came: ${text}`);
        text += read.value;
      }
      return text;
    },
    /** Resolves with the whole text, once the stream has ended. */
    async end() {
      for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) text += read.value;
      return text;
    },
    cancel: async () => void (await reader?.cancel()),
  };
}

/** The stored session of a token. */
function sessionOf(authorization: string): string {
  const [header, payload] = authorization
    .split(/[ .]/)
    .slice(1, 3)
    .map((part) => JSON.parse(atob(part)));
  return JSON.stringify({ userId: payload.sub, kid: header.kid });
}

async function signedIn(gateway: Gateway, customer = 'ann') {
  const user = await gateway.signIn(customer);
  return { ...user, headers: { authorization: `Bearer ${user.token}` } };
}

it('http streams: send Server-Sent Events, each with its cursor as id', async () => {
  await using gateway = await startTestGateway();
  const { headers } = await signedIn(gateway);
  const stream = await open(gateway, { headers });
  expect(stream.status).toBe(200);
  expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(stream.headers.get('cache-control')).toBe('no-store');
  await gateway.publish(move('m1', 'bob'));
  await gateway.publish(move('m2'));
  const text = await stream.until(`id: ${encodeCursor('m2')}`);
  expect(await stream.until('bob"}}}}}')).toContain(`event: next\ndata: ${JSON.stringify(event('m2'))}`);
  expect(text).not.toContain(encodeCursor('m1'));
  await stream.cancel();
});

it('http streams: send the id even if the cursor is not selected', async () => {
  await using gateway = await startTestGateway();
  const { headers } = await signedIn(gateway);
  const stream = await open(gateway, { headers, query: 'subscription { m: moved { node { place } } }' });
  await gateway.publish(move('m1'));
  expect(await stream.until('"m"')).toContain(`id: ${encodeCursor('m1')}\n`);
  await stream.cancel();
});

it('http streams: serve the client of graphql-sse, errors before the stream included', async () => {
  await using gateway = await startTestGateway();
  const { headers } = await signedIn(gateway);
  const client = createClient({ url: gateway.graphqlUrl, headers, retryAttempts: 0 });
  const ask = async (query: string) => {
    for await (const result of client.iterate({ query })) return result;
  };
  expect(await ask('{ hello }')).toEqual({ data: { hello: 'hello' } });
  expect(await ask('mutation { greet(name: "Ann") }')).toEqual({ data: { greet: 'hello Ann' } });
  await expect(ask('{ nope }')).rejects.toThrow('400');
  const events = client.iterate({ query: moved });
  const first = events.next();
  await gateway.untilSubscribed(1);
  await gateway.publish(move('m1'));
  expect((await first).value).toEqual(event('m1'));
  client.dispose();
});

it('http streams: serve EventSource by GET with access_token, and resume it', async () => {
  await using gateway = await startTestGateway();
  const { token } = await signedIn(gateway);
  gateway.world.stored = [move('m1'), move('m2'), move('m3')];
  const search = new URLSearchParams({ query: moved, access_token: token, variables: '{}' });
  const source = new EventSource(`${gateway.graphqlUrl}?${search}`);
  const came = Promise.withResolvers<{ data: unknown; lastEventId: string }>();
  source.addEventListener('next', (message) => {
    const { data, lastEventId } = message as MessageEvent;
    came.resolve({ data: JSON.parse(data), lastEventId });
  });
  source.addEventListener('error', () => came.reject(new Error('the EventSource failed')));
  await gateway.untilSubscribed(1);
  await gateway.publish(move('m4'));
  expect(await came.promise).toEqual({ data: event('m4'), lastEventId: encodeCursor('m4') });
  source.close();

  const again = await open(gateway, {
    method: 'GET',
    search: `?${search}`,
    headers: { 'last-event-id': encodeCursor('m1') },
  });
  const text = await again.until(encodeCursor('m3'));
  expect(text).toContain(encodeCursor('m2'));
  expect(text).not.toContain(`id: ${encodeCursor('m1')}\n`);
  await again.cancel();
  expect(gateway.log.text).not.toContain(token);
});

it('http streams: send multipart as Apollo Client reads it', async () => {
  await using gateway = await startTestGateway();
  const { headers } = await signedIn(gateway);
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri: gateway.graphqlUrl, headers, fetch }),
  });
  const came = Promise.withResolvers<unknown>();
  const subscription = client.subscribe({ query: gql(moved) }).subscribe({
    next: (result) => came.resolve(JSON.parse(JSON.stringify(result.data))),
    error: came.reject,
  });
  await gateway.untilSubscribed(1);
  await gateway.publish(move('m1'));
  expect(await came.promise).toMatchObject(event('m1').data);
  subscription.unsubscribe();
  await gateway.untilSubscribed(0);
  const { data } = await client.query({ query: gql('{ hello }') });
  expect(data).toEqual({ hello: 'hello' });
  client.stop();
});

it.each([
  ['nobody is signed in', {}, moved, 401, 'UNAUTHENTICATED'],
  ['the token is invalid', { authorization: 'Bearer nope' }, moved, 401, 'UNAUTHENTICATED'],
  ['the query is not GraphQL', {}, 'subscription {', 400, 'GRAPHQL_PARSE_FAILED'],
  ['a field is unknown', {}, 'subscription { nope }', 400, 'GRAPHQL_VALIDATION_FAILED'],
])('http streams: respond with a status instead of a stream: %s', async (_what, headers, query, status, code) => {
  await using gateway = await startTestGateway();
  for (const accept of ['text/event-stream', 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0']) {
    const answer = await open(gateway, { headers: headers as Record<string, string>, query, accept });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect((await answer.json()).errors[0].extensions.code).toBe(code);
  }
});

it('http streams: refuse bad cursors, mutations by GET, bad variables, foreign pages', async () => {
  await using gateway = await startTestGateway();
  const { headers, token } = await signedIn(gateway);
  const refused = async (input: Parameters<typeof open>[1]) => {
    const answer = await open(gateway, input);
    return [answer.status, (await answer.json()).errors[0].extensions.code];
  };
  expect(await refused({ headers: { ...headers, 'last-event-id': 'nonsense' } })).toEqual([400, 'CURSOR_INVALID']);
  const get = (parameters: Record<string, string>) =>
    refused({ method: 'GET', search: `?${new URLSearchParams({ access_token: token, ...parameters })}` });
  expect(await get({ query: 'mutation { greet(name: "x") }' })).toEqual([405, 'BAD_REQUEST']);
  expect(await get({ query: moved, variables: '{' })).toEqual([400, 'BAD_USER_INPUT']);
  expect(await get({})).toEqual([400, 'BAD_REQUEST']);
  expect(await refused({ headers: { ...headers, origin: 'https://evil.example' } })).toEqual([403, 'FORBIDDEN']);
});

it.each([
  ['text/event-stream', 'event: complete\ndata: \n\n'],
  ['multipart/mixed;boundary="graphql";subscriptionSpec=1.0', '--graphql--'],
])('http streams: end a stream of %s with SESSION_EXPIRED at its session’s end', async (accept, end) => {
  await using gateway = await startTestGateway();
  const { headers, sid } = await signedIn(gateway);
  const stream = await open(gateway, { headers, accept });
  await gateway.untilSubscribed(1);
  await gateway.endSession({ sid });
  const text = await stream.end();
  expect(text).toContain('"code":"SESSION_EXPIRED"');
  expect(text.replaceAll('\r\n', '')).toContain(end.replaceAll('\r\n', ''));
  await gateway.untilSubscribed(0);
});

it('http streams: are limited per address, including those not started yet', async () => {
  await using gateway = await startTestGateway({
    environment: {
      TRUSTED_PROXIES: 'loopback',
      MAX_CONNECTIONS_PER_ADDRESS: '2',
      MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: '1',
    },
  });
  const { headers } = await signedIn(gateway);
  const openFrom = (address: string) => open(gateway, { headers: { ...headers, 'x-forwarded-for': address } });
  const [one, two] = await Promise.all([openFrom('198.51.100.1'), openFrom('198.51.100.1')]);
  const three = await openFrom('198.51.100.1');
  expect([one.status, two.status, three.status]).toEqual([200, 200, 503]);
  expect((await three.json()).errors[0].extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
  const other = await openFrom('198.51.100.2');
  expect(other.status).toBe(200);
  await one.cancel();
  await gateway.untilSubscribed(2);
  const again = await openFrom('198.51.100.1');
  expect(again.status).toBe(200);
  for (const stream of [two, other, again]) await stream.cancel();
});

it('http streams: answer urql’s queries as JSON, its subscriptions as events', async () => {
  // Regression: its queries were answered as streams, with which its persisted queries do not work.
  let touches = 0;
  let touch: KeyValue['touch'] | undefined;
  await using gateway = await startTestGateway({
    keyValue: {
      touch: async (...args) => {
        touches += 1;
        return (await touch?.(...args)) ?? null;
      },
    },
  });
  touch = gateway.engines.keyValue.touch;
  const { headers } = await signedIn(gateway);
  const accept =
    'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed';
  const post = async (body: object) => {
    const response = await fetch(gateway.graphqlUrl, {
      method: 'POST',
      headers: { ...headers, accept, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { type: response.headers.get('content-type'), json: await response.json() };
  };
  const query = '{ hello }';
  const extensions = {
    persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') },
  };
  const answered = { type: expect.stringContaining('json'), json: { data: { hello: 'hello' } } };
  expect(await post({ extensions })).toMatchObject({ json: { errors: [{ message: 'PersistedQueryNotFound' }] } });
  expect(await post({ query, extensions })).toEqual(answered);
  expect(await post({ extensions })).toEqual(answered);
  expect(touches).toBe(3);
  expect(await post({ query: '{ nope }' })).toMatchObject({
    json: { errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] },
  });
  const stream = await open(gateway, { headers, accept });
  expect(stream.headers.get('content-type')).toContain('text/event-stream');
  await stream.cancel();
  const refused = await open(gateway, { headers, accept: 'application/json' });
  expect(refused.status).toBe(400);
  expect((await refused.json()).errors[0]).toMatchObject({
    message: expect.stringContaining('text/event-stream'),
    extensions: { code: 'BAD_REQUEST' },
  });
});

it('http streams: abort subgraph calls when the client disconnects', async () => {
  await using subgraph = await startSilentSubgraph();
  await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
  const stream = await open(gateway, { query: '{ hello }' });
  const call = await subgraph.request(1);
  const closed = new Promise((resolve) => call.once('close', resolve));
  await stream.cancel();
  await closed;
  expect(call.writableFinished).toBe(false);
});

it('http streams: answer running operations after the session’s end, in the drain', async () => {
  // Regression: signOut ends its own session, and its result was lost with the stream.
  const name = Promise.withResolvers<void>();
  const requested = Promise.withResolvers<void>();
  await using gateway = await startTestGateway();
  gateway.world.onName = () => {
    requested.resolve();
    return name.promise;
  };
  const { headers, sid } = await signedIn(gateway);
  gateway.world.stored = [move('m1')];
  const events = await open(gateway, { headers });
  await gateway.untilSubscribed(1);
  const after = encodeCursor(null);
  const stream = await open(gateway, {
    headers,
    query: `{ moves(customer: "ann", first: 1, after: "${after}") { edges { node { recipient { name } } } } }`,
  });
  await requested.promise;
  await gateway.endSession({ sid });
  expect(await events.end()).toContain('SESSION_EXPIRED');
  const stopped = gateway.stop();
  name.resolve();
  expect(await stream.end()).toContain('"name of bob"');
  await stopped;
});

it('http streams: complete after a result larger than the buffer limit', async () => {
  // Regression: the result counted against the limit of its own `complete`, and the stream was cut off.
  await using gateway = await startTestGateway({ environment: { MAX_BUFFERED_BYTES: '16384' } });
  const place = 'x'.repeat(8_000_000);
  gateway.world.stored = [{ ...move('m1'), place }];
  const answer = await open(gateway, {
    query: '{ moves(customer: "ann", first: 1, after: "djE6") { edges { node { place } } } }',
    accept: 'text/event-stream',
  });
  const text = await answer.end();
  expect(text.includes(place)).toBe(true);
  expect(text.slice(-30)).toMatch(/event: complete\ndata:\s+$/);
});

it('http streams: unsubscribe when the client disconnects', async () => {
  await using gateway = await startTestGateway();
  const { headers } = await signedIn(gateway);
  const stream = await open(gateway, { headers });
  await gateway.untilSubscribed(1);
  await stream.cancel();
  await gateway.untilSubscribed(0);
});

it('http streams: keep nothing of a client that left during authentication', async () => {
  const requested = Promise.withResolvers<void>();
  const checked = Promise.withResolvers<string>();
  let isFirst = true;
  let session = '';
  await using gateway = await startTestGateway({
    keyValue: {
      touch: () => {
        requested.resolve();
        return isFirst ? checked.promise : Promise.resolve(session);
      },
    },
  });
  const { headers } = await signedIn(gateway);
  session = sessionOf(headers.authorization);
  const leaving = new AbortController();
  const left = fetch(gateway.graphqlUrl, {
    method: 'POST',
    headers: { ...headers, accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: moved }),
    signal: leaving.signal,
  });
  await requested.promise;
  leaving.abort();
  await expect(left).rejects.toThrow('aborted');
  // The gateway is in this process, and sees the disconnection in one of the next turns.
  for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate);
  isFirst = false;
  checked.resolve(session);
  // This request is later: once it is subscribed, the disconnected one has been handled.
  const staying = await open(gateway, { headers });
  await staying.until(':');
  await gateway.untilSubscribed(1);
  await staying.cancel();
  await gateway.untilSubscribed(0);
});

it('http streams: end in the drain, so that EventSource and Apollo Client reconnect', async () => {
  await using gateway = await startTestGateway();
  const { headers } = await signedIn(gateway);
  const events = await open(gateway, { headers });
  const parts = await open(gateway, { headers, accept: 'multipart/mixed;subscriptionSpec=1.0' });
  await gateway.untilSubscribed(2);
  await gateway[Symbol.asyncDispose]();
  expect(await events.end()).not.toContain('complete');
  expect(await parts.end()).toContain('"code":"SERVICE_UNAVAILABLE","retryable":true');
});
