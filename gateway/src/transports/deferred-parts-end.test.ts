import { describe, expect, it } from 'vitest';
import { openStream } from '../testing/clients/event-stream.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { respondWith, startSubgraph } from '../testing/servers/subgraph.ts';
import { move } from '../testing/supergraphs/moves.ts';

const multipart = 'multipart/mixed;deferSpec=20220824';

/** Selects fields of one person. All fields except `id` come from the subgraph `people`. */
const select = (fields: string) =>
  `{ moves(customer: "ann", first: 5, after: "djE6") { edges { node { recipient { ${fields} } } } } }`;

/** Starts a gateway with one move, and a subgraph `people` that never responds, except to requests for `large`. */
async function startWithSilentPeople(environment = {}) {
  await using releases = new AsyncDisposableStack();
  const people = releases.use(
    await startSubgraph((response, body) => {
      if (body.includes('large')) respondWith(response, { data: { _entities: [{ large: 'x'.repeat(2_000) }] } });
    }),
  );
  const gateway = releases.use(await startTestGateway({ environment, subgraphUrls: { people: people.url } }));
  gateway.world.stored = [move('m1')];
  const owned = releases.move();
  return { people, gateway, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe('deferred parts in the drain', () => {
  it('are sent when their subgraph responds', async () => {
    const names = createHold();
    await using gateway = await startTestGateway();
    gateway.world.stored = [move('m1')];
    gateway.world.onName = names.wait;
    const stream = await openStream(gateway.graphqlUrl, { query: select('id ... @defer { name }'), accept: multipart });
    await stream.until('"hasNext":true');
    await names.reached;
    const stopped = gateway.stop();
    names.release();
    expect(await stream.end()).toContain('"data":{"name":"name of bob"}}],"hasNext":false}');
    await stopped;
  });

  it.each([
    ['multipart', multipart, '\r\n--graphql--\r\n'],
    ['Server-Sent Events', 'text/event-stream', '\n\nevent: complete\ndata: \n\n'],
  ])('end with an error if their subgraph does not respond, as %s', async (_format, accept, end) => {
    // Regression: the connection was reset, so clients could not tell a shutdown from a fault.
    await using context = await startWithSilentPeople();
    const { people, gateway } = context;
    const stream = await openStream(gateway.graphqlUrl, { query: select('id ... @defer { name }'), accept });
    await stream.until('"hasNext":true');
    await people.call(1);
    const stopped = gateway.stop();
    const text = await stream.end();
    expect(text).toContain('"code":"SERVICE_UNAVAILABLE","retryable":true}}],"hasNext":false}');
    expect(text.endsWith(end)).toBe(true);
    await stopped;
  });
});

describe('deferred parts over MAX_RESPONSE_BYTES', () => {
  it('end with an error if only their errors together exceed it', async () => {
    // Regression: the errors of each part were compared with the limit, but not added up.
    const errors = [{ message: 'x'.repeat(600), extensions: { code: 'CLOSED' } }];
    await using people = await startSubgraph((response) => respondWith(response, { data: null, errors }));
    await using gateway = await startTestGateway({
      environment: { MAX_RESPONSE_BYTES: '1024' },
      subgraphUrls: { people: people.url },
    });
    gateway.world.stored = [move('m1')];
    const query = select('id ... @defer { first: name } ... @defer { second: name }');
    const stream = await openStream(gateway.graphqlUrl, { query, accept: multipart });
    expect(await stream.end()).toContain('"code":"OPERATION_TOO_COMPLEX"}}],"hasNext":false}');
  });
});

describe('deferred parts over a limit of connections', () => {
  // Regression: the operation was refused, although it would have been answered without @defer.
  it.each([
    ['are in one result for a client that also takes JSON', `${multipart},application/json`, 200],
    ['are refused for a client that takes no JSON', multipart, 503],
  ])('%s', async (_what, accept, status) => {
    await using people = await startSubgraph((response, body) => {
      if (body.includes('second')) respondWith(response, { data: { _entities: [{ second: 'Bob' }] } });
    });
    await using gateway = await startTestGateway({
      environment: { MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: '1' },
      subgraphUrls: { people: people.url },
    });
    gateway.world.stored = [move('m1')];
    const open = (fields: string) => openStream(gateway.graphqlUrl, { query: select(fields), accept });
    const first = await open('id ... @defer { first: name }');
    await first.until('"hasNext":true');
    const next = await open('id ... @defer { second: name }');
    expect(next.status).toBe(status);
    const recipient = { id: 'bob', second: 'Bob' };
    expect(await next.json()).toMatchObject(
      status === 200
        ? { data: { moves: { edges: [{ node: { recipient } }] } } }
        : { errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } }] },
    );
    await first.cancel();
  });
});

describe('calls for deferred parts', () => {
  it.each([
    ['the primary part', 'id large: name ... @defer { silent: name }'],
    ['another deferred part', 'id ... @defer { large: name } ... @defer { silent: name }'],
  ])('are cancelled when %s exceeds MAX_RESPONSE_BYTES', async (_what, fields) => {
    // Regression: they ran until SUBGRAPH_TIMEOUT, and took up connections to the subgraph.
    await using context = await startWithSilentPeople({ MAX_RESPONSE_BYTES: '1024' });
    const { people, gateway } = context;
    const stream = await openStream(gateway.graphqlUrl, { query: select(fields), accept: multipart });
    expect(await stream.end()).toContain('OPERATION_TOO_COMPLEX');
    const calls = [await people.call(1), await people.call(2)];
    await Promise.all(calls.map((call) => call.closed || new Promise((resolve) => call.once('close', resolve))));
    expect(calls.filter(({ writableFinished }) => !writableFinished)).toHaveLength(1);
  });
});
