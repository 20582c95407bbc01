import { connect } from 'node:net';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { Defer20220824Handler } from '@apollo/client/incremental';
import { Client, fetchExchange } from '@urql/core';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import { createClient } from 'graphql-sse';
import { describe, expect, it } from 'vitest';
import { openStream } from '../testing/clients/event-stream.ts';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { respondWith, startSubgraph } from '../testing/servers/subgraph.ts';
import { move } from '../testing/supergraphs/moves.ts';

const multipart = 'multipart/mixed;deferSpec=20220824,application/json';
const query = `{
  moves(customer: "ann", first: 5, after: "djE6") {
    edges { node { recipient { id ... @defer(label: "name") { name } } } }
  }
}`;
const path = ['moves', 'edges', 0, 'node', 'recipient'];
const primary = { moves: { edges: [{ node: { recipient: { id: 'bob' } } }] } };
const part = { label: 'name', path, data: { name: 'name of bob' } };
const whole = { moves: { edges: [{ node: { recipient: { id: 'bob', name: 'name of bob' } } }] } };

/** Starts a gateway with one move. The name of the move's recipient comes only when the test releases `names`. */
async function startWithHold() {
  const names = createHold();
  const gateway = await startTestGateway();
  gateway.world.stored = [move('m1')];
  gateway.world.onName = names.wait;
  return { gateway, names };
}

/** Starts a subgraph that responds with a name longer than the response limit of `startWithLimit`. */
const startLongNames = () =>
  startSubgraph((response) => respondWith(response, { data: { _entities: [{ name: 'x'.repeat(1_100) }] } }));

async function startWithLimit(people: string) {
  const gateway = await startTestGateway({ environment: { MAX_RESPONSE_BYTES: '1024' }, subgraphUrls: { people } });
  gateway.world.stored = [move('m1')];
  return gateway;
}

const post = (gateway: TestGateway, text: string, accept?: string) =>
  fetch(gateway.graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(accept !== undefined && { accept }) },
    body: JSON.stringify({ query: text }),
  });

/** Reads the JSON of each part of a multipart text. */
function partsOf(text: string): unknown[] {
  return text
    .split('--graphql')
    .slice(1, -1)
    .map((each) => JSON.parse(each.slice(each.indexOf('\r\n\r\n'))));
}

describe('deferred parts', () => {
  it('follow the primary part as multipart/mixed, when their subgraph has responded', async () => {
    const { gateway, names } = await startWithHold();
    await using _gateway = gateway;
    const stream = await openStream(gateway.graphqlUrl, { query, accept: multipart });
    expect(stream.headers.get('content-type')).toBe('multipart/mixed;boundary="graphql";deferSpec=20220824');
    await names.reached;
    const first = await stream.until('"hasNext":true}\r\n--graphql');
    expect(partsOf(first)).toEqual([{ data: primary, hasNext: true }]);
    names.release();
    expect(partsOf(await stream.end())).toEqual([
      { data: primary, hasNext: true },
      { incremental: [part], hasNext: false },
    ]);
  });

  it('follow the primary part as Server-Sent Events', async () => {
    const { gateway, names } = await startWithHold();
    await using _gateway = gateway;
    const client = createClient({ url: gateway.graphqlUrl, retryAttempts: 0 });
    const results = client.iterate({ query });
    expect((await results.next()).value).toEqual({ data: primary, hasNext: true });
    names.release();
    expect((await results.next()).value).toEqual({ incremental: [part], hasNext: false });
    expect((await results.next()).done).toBe(true);
    client.dispose();
  });

  it('are merged by Apollo Client', async () => {
    const { gateway, names } = await startWithHold();
    await using _gateway = gateway;
    const client = new ApolloClient({
      cache: new InMemoryCache(),
      link: new HttpLink({ uri: gateway.graphqlUrl, fetch }),
      incrementalHandler: new Defer20220824Handler(),
    });
    const seen: unknown[] = [];
    const isComplete = Promise.withResolvers<void>();
    const subscription = client.watchQuery({ query: gql(query), fetchPolicy: 'no-cache' }).subscribe({
      next: ({ data, dataState }) => {
        if (dataState === 'streaming') names.release();
        if (data)
          seen.push(JSON.parse(JSON.stringify(data, (key, value) => (key === '__typename' ? undefined : value))));
        if (dataState === 'complete') isComplete.resolve();
      },
      error: isComplete.reject,
    });
    await isComplete.promise;
    expect(seen).toEqual([primary, whole]);
    subscription.unsubscribe();
    client.stop();
  });

  it('are merged by urql, whose header names Server-Sent Events', async () => {
    const { gateway, names } = await startWithHold();
    await using _gateway = gateway;
    const client = new Client({ url: gateway.graphqlUrl, exchanges: [fetchExchange], preferGetMethod: false });
    const seen: unknown[] = [];
    const isComplete = Promise.withResolvers<void>();
    const subscription = client.query(query, {}).subscribe(({ data, error, hasNext }) => {
      if (error) isComplete.reject(error);
      seen.push(JSON.parse(JSON.stringify(data)));
      if (hasNext) names.release();
      else isComplete.resolve();
    });
    await isComplete.promise;
    expect(seen).toEqual([primary, whole]);
    subscription.unsubscribe();
  });

  it.each([
    ['no Accept header', undefined],
    ['JSON', 'application/json'],
    ['another format of parts', 'multipart/mixed;deferSpec=20990101,application/json'],
  ])('are in one result for a client that takes %s', async (_what, accept) => {
    await using gateway = await startTestGateway();
    gateway.world.stored = [move('m1')];
    for (const _time of ['first', 'known']) {
      const response = await post(gateway, query, accept);
      expect(response.headers.get('content-type')).toContain('application/json');
      expect(await response.json()).toEqual({ data: whole });
    }
  });

  it('are in one result over WebSocket', async () => {
    await using gateway = await startTestGateway();
    gateway.world.stored = [move('m1')];
    const { token } = await gateway.signIn();
    const results = gateway.connect(token).client.iterate({ query });
    expect((await results.next()).value).toEqual({ data: whole });
  });

  it('do not make an operation without @defer a stream', async () => {
    await using gateway = await startTestGateway();
    gateway.world.stored = [move('m1')];
    const response = await post(gateway, '{ hello }', multipart);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toEqual({ data: { hello: 'hello' } });
    const off = await post(gateway, query.replace('(label', '(if: false, label'), multipart);
    expect(await off.json()).toEqual({ data: whole });
  });

  it('have the errors of their subgraph, with code and path', async () => {
    await using people = await startSubgraph((response) => respondWith(response, { errors: [{ message: 'secret' }] }));
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
    gateway.world.stored = [move('m1')];
    const stream = await openStream(gateway.graphqlUrl, { query, accept: multipart });
    const parts = partsOf(await stream.end());
    expect(parts).toMatchObject([
      { data: primary, hasNext: true },
      {
        incremental: [
          {
            path,
            data: null,
            errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
          },
        ],
        hasNext: false,
      },
    ]);
    expect(parts[0]).not.toHaveProperty('errors');
    expect(JSON.stringify(parts)).not.toContain('secret');
  });

  it('are refused with all other errors of a document before the stream starts', async () => {
    await using gateway = await startTestGateway();
    const response = await post(gateway, 'mutation { ... @defer { greet(name: "Ann") } }', multipart);
    expect(response.headers.get('content-type')).toContain('application/json');
    const { errors } = (await response.json()) as { errors: object[] };
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('root mutation type'),
      extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
    });
  });

  it('end with an error if the response exceeds MAX_RESPONSE_BYTES', async () => {
    await using people = await startLongNames();
    await using gateway = await startWithLimit(people.url);
    const stream = await openStream(gateway.graphqlUrl, { query, accept: multipart });
    const parts = partsOf(await stream.end());
    expect(parts[0]).toMatchObject({ data: primary, hasNext: true });
    expect(parts.at(-1)).toMatchObject({ errors: [{ extensions: { code: 'OPERATION_TOO_COMPLEX' } }], hasNext: false });
  });

  it('end with hasNext: false also over SSE if MAX_RESPONSE_BYTES is exceeded', async () => {
    await using people = await startLongNames();
    await using gateway = await startWithLimit(people.url);
    const client = new Client({ url: gateway.graphqlUrl, exchanges: [fetchExchange], preferGetMethod: false });
    const last = Promise.withResolvers<{ hasNext: boolean; codes: unknown[] | undefined }>();
    const subscription = client.query(query, {}).subscribe(({ error, hasNext }) => {
      const codes = error?.graphQLErrors.map(({ extensions }) => extensions.code);
      if (error) last.resolve({ hasNext, codes });
    });
    expect(await last.promise).toEqual({ hasNext: false, codes: ['OPERATION_TOO_COMPLEX'] });
    subscription.unsubscribe();
  });

  // Regression: parts for a slow client waited in memory, and the send budget did not count them.
  it('are counted against the send budget while a client does not read them', async () => {
    const bytes = 24 * 1_048_576;
    const name = 'x'.repeat(bytes);
    await using people = await startSubgraph((response) =>
      respondWith(response, { data: { _entities: [{ first: name, second: name }] } }),
    );
    await using gateway = await startTestGateway({
      environment: {
        MAX_SUBGRAPH_ANSWER_BYTES: String(3 * bytes),
        MAX_RESPONSE_BYTES: String(3 * bytes),
        MAX_TOTAL_BUFFERED_BYTES: String(bytes + bytes / 3),
      },
      subgraphUrls: { people: people.url },
    });
    gateway.world.stored = [move('m1')];
    const text = query.replace('{ id ... @defer(label: "name") { name }', '{ first: name ... @defer { second: name }');
    const client = connect({ host: '127.0.0.1', port: Number(new URL(gateway.graphqlUrl).port) });
    client.on('error', () => {}).pause();
    const body = JSON.stringify({ query: text });
    client.write(
      `POST /graphql HTTP/1.1\r\nhost: a\r\naccept: ${multipart}\r\ncontent-type: application/json\r\n` +
        `content-length: ${body.length}\r\n\r\n${body}`,
    );
    await waitFor(() => gateway.log.text.includes('slow consumers exceed the send budget'), { everyMs: 20 });
    client.destroy();
  });

  it('reach a client that reads slowly, over MAX_BUFFERED_BYTES', async () => {
    const name = 'x'.repeat(6 * 1_048_576);
    await using people = await startSubgraph((response, body) =>
      respondWith(response, { data: { _entities: [body.includes('second') ? { second: name } : { first: name }] } }),
    );
    await using gateway = await startTestGateway({
      environment: { MAX_BUFFERED_BYTES: '16384' },
      subgraphUrls: { people: people.url },
    });
    gateway.world.stored = [move('m1')];
    const text = query.replace('{ id ... @defer(label: "name") { name }', '{ first: name ... @defer { second: name }');
    const stream = await openStream(gateway.graphqlUrl, { query: text, accept: multipart });
    await people.call(2);
    const parts = partsOf(await stream.end());
    expect(parts).toMatchObject([{ hasNext: true }, { incremental: [{ data: { second: name } }], hasNext: false }]);
  });

  it('are not fetched further when the client disconnects', async () => {
    await using people = await startSubgraph();
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
    gateway.world.stored = [move('m1')];
    const stream = await openStream(gateway.graphqlUrl, { query, accept: multipart });
    await stream.until('"hasNext":true');
    const call = await people.call(1);
    const closed = new Promise((resolve) => call.once('close', resolve));
    await stream.cancel();
    await closed;
    expect(call.writableFinished).toBe(false);
  });

  it('are announced by introspection', async () => {
    await using gateway = await startTestGateway({ environment: { INTROSPECTION: 'true' } });
    const { data } = await gateway.post('{ __schema { directives { name locations args { name defaultValue } } } }');
    expect(data?.__schema.directives).toContainEqual({
      name: 'defer',
      locations: ['FRAGMENT_SPREAD', 'INLINE_FRAGMENT'],
      args: [
        { name: 'label', defaultValue: null },
        { name: 'if', defaultValue: 'true' },
      ],
    });
  });
});
