import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postAndLeave } from '../testing/clients/leaving-client.ts';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';

const move = { id: 'm1', parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' } };
const moves = `moves(customer: "ann", first: 10, after: ${JSON.stringify(encodeCursor(null))})`;
const stored = `{ ${moves} { edges { cursor node { id place note recipient { name } } } } }`;
const readPage = `{ ${moves} { pageInfo { hasNextPage endCursor } } }`;

describe('subgraphs in the same process', () => {
  const resources = new AsyncDisposableStack();
  let local: TestGateway;
  let remote: TestGateway;
  beforeAll(async () => {
    local = resources.use(await startTestGateway({ inProcess: true }));
    remote = resources.use(await startTestGateway());
    for (const { world } of [local, remote]) world.stored = [move];
  });
  afterAll(() => resources.disposeAsync());

  it.each([
    ['a field', '{ hello }'],
    ['two subgraphs', stored],
    ['a resolver that fails', '{ moves(customer: "ann") { pageInfo { hasNextPage } } }'],
    ['a mutation', 'mutation { greet(name: "Ann") }'],
    ['a variable of the wrong type', 'query ($n: String!) { moves(customer: $n) { pageInfo { endCursor } } }'],
  ])('answer %s like over HTTP', async (_name, query) => {
    const post = async ({ graphqlUrl }: TestGateway) => {
      const body = JSON.stringify({ query, variables: { n: 1 } });
      const headers = { 'content-type': 'application/json', 'x-request-id': 'r1' };
      const response = await fetch(graphqlUrl, { method: 'POST', headers, body });
      const { date, ...rest } = Object.fromEntries(response.headers);
      return { status: response.status, headers: rest, text: await response.text() };
    };
    expect(await post(local)).toEqual(await post(remote));
  });

  it('get the headers that HTTP would carry', async () => {
    const headersSeen = async (gateway: TestGateway) => {
      const { token } = await gateway.signIn();
      gateway.calls.length = 0;
      await gateway.post('{ hello }', { token });
      const { authorization, 'x-forwarded-for': address, 'x-request-id': id } = gateway.calls[0]?.headers ?? {};
      return { isToken: authorization === token || authorization === `Bearer ${token}`, address, hasId: Boolean(id) };
    };
    expect(await headersSeen(local)).toEqual({ isToken: true, address: '127.0.0.1', hasId: true });
    expect(await headersSeen(remote)).toEqual(await headersSeen(local));
  });

  it('mask an internal error like over HTTP', async () => {
    const failing = async (gateway: TestGateway) => {
      gateway.world.onName = () => {
        throw new Error('secret of the database');
      };
      const { data, errors } = await gateway.post(stored);
      delete gateway.world.onName;
      return { data, errors };
    };
    const seen = await failing(local);
    expect(JSON.stringify(seen)).not.toContain('secret');
    expect(seen).toEqual(await failing(remote));
  });
});

describe('a call of a subgraph in the same process', () => {
  it('ends at its time-out, and cancels the work', async () => {
    await using gateway = await startTestGateway({ inProcess: true, environment: { SUBGRAPH_TIMEOUT: '50ms' } });
    const page = createHold();
    gateway.world.onPage = page.wait;
    const { errors } = await gateway.post(readPage);
    expect(errors?.[0]?.extensions?.code).toBe('SUBGRAPH_UNAVAILABLE');
    expect(gateway.calls[0]?.signal.aborted).toBe(true);
    page.release();
  });

  it('is cancelled when the client disconnects', async () => {
    await using gateway = await startTestGateway({ inProcess: true });
    const page = createHold();
    gateway.world.onPage = page.wait;
    const left = postAndLeave(gateway.graphqlUrl, readPage);
    await page.reached;
    left.leave();
    await expect(left.response).rejects.toThrow('aborted');
    await expect.poll(() => gateway.calls[0]?.signal.aborted).toBe(true);
    page.release();
  });

  it('is refused if its reply is too large', async () => {
    await using gateway = await startTestGateway({
      inProcess: true,
      environment: { MAX_SUBGRAPH_ANSWER_BYTES: '1024' },
    });
    gateway.world.stored = [{ ...move, place: 'x'.repeat(2_000) }];
    const { errors } = await gateway.post(stored);
    expect(errors?.[0]?.extensions?.code).toBe('SUBGRAPH_INVALID_RESPONSE');
  });

  it('does not delay the stop of the gateway', async () => {
    await using gateway = await startTestGateway({ inProcess: true });
    const page = createHold();
    gateway.world.onPage = page.wait;
    const response = gateway.post(readPage).catch((error) => error);
    await page.reached;
    const stopped = gateway.stop();
    await response;
    page.release();
    await stopped;
  });
});
