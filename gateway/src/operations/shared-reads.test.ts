import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { Kind } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { GatewayContext } from '../context.ts';
import { JsonResult } from '../execution/response/json-result.ts';
import { gatewayProcessSettings } from '../process-settings.ts';
import { postAndLeave } from '../testing/clients/leaving-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { anonymous } from '../testing/operations/operations.ts';
import { respondWith, startSubgraph } from '../testing/servers/subgraph.ts';
import type { Operation } from './operations.ts';
import { createSharedReads } from './shared-reads.ts';

const plan = { kind: 'QueryPlan' } as Operation['plan'];
const read = (changes: Partial<Operation> = {}, operation = 'query') =>
  ({ plan, variables: { a: 1 }, definition: { kind: Kind.OPERATION_DEFINITION, operation }, ...changes }) as Operation;
const client = (changes: Partial<GatewayContext> = {}): GatewayContext => ({
  ...anonymous,
  authorization: 'Bearer a',
  headers: ['x-tenant', 'blue'],
  ...changes,
});

/** Creates shared reads. `started` has the started executions, in order. The test resolves or rejects them. */
function openReads() {
  const started: (PromiseWithResolvers<JsonResult> & { context: GatewayContext })[] = [];
  const execute = createSharedReads((_operation, context) => {
    const execution = { ...Promise.withResolvers<JsonResult>(), context };
    started.push(execution);
    context.signal.addEventListener('abort', () => execution.reject(context.signal.reason));
    return execution.promise;
  });
  return { execute, started };
}

describe('shared reads: a query', () => {
  it('is executed once for all clients that send it while it is in flight', async () => {
    const { execute, started } = openReads();
    const results = [execute(read(), client()), execute(read(), client({ requestId: 'another' }))];
    expect(started).toHaveLength(1);
    const result = new JsonResult('{}', []);
    started[0]?.resolve(result);
    expect(await Promise.all(results)).toEqual([result, result]);
  });

  it('is executed again after it has ended', async () => {
    const { execute, started } = openReads();
    const first = execute(read(), client());
    started[0]?.resolve(new JsonResult('{}', []));
    await first;
    void execute(read(), client());
    expect(started).toHaveLength(2);
  });

  it('fails for all of them', async () => {
    const { execute, started } = openReads();
    const results = [execute(read(), client()), execute(read(), client())];
    started[0]?.reject(new Error('failed'));
    for (const result of results) await expect(result).rejects.toThrow('failed');
  });

  it.each<[what: string, operation: Operation, context: GatewayContext]>([
    ['of another operation', read({ plan: { kind: 'QueryPlan' } as Operation['plan'] }), client()],
    ['with other variables', read({ variables: { a: '1' } }), client()],
    ['of another user', read(), client({ authorization: 'Bearer b' })],
    ['of a client without a token', read(), client({ authorization: null })],
    ['of another address', read(), client({ clientAddress: '192.0.2.1' })],
    ['with another forwarded header', read(), client({ headers: ['x-tenant', 'red'] })],
    ['without the forwarded header', read(), client({ headers: undefined })],
  ])('is not shared with one %s', (_what, operation, context) => {
    const { execute, started } = openReads();
    void execute(read(), client());
    void execute(operation, context);
    expect(started).toHaveLength(2);
  });

  it.each<[what: string, operation: Operation, context: GatewayContext]>([
    ['a mutation', read({}, 'mutation'), client()],
    ['one whose subgraphs set headers of the response', read(), client({ onSubgraphHeaders: () => {} })],
    ['one that is traced', read(), client({ trace: { fetches: [], start: () => () => {} } })],
    ['one with large variables', read({ variables: { a: 'x'.repeat(10_000) } }), client()],
  ])('is not shared if it is %s', (_what, operation, context) => {
    const { execute, started } = openReads();
    void execute(operation, context);
    void execute(operation, context);
    expect(started).toHaveLength(2);
  });

  // If the query were not executed again, a client could miss the change of its own mutation.
  it('is executed again after a mutation, for those who send it then', async () => {
    const { execute, started } = openReads();
    const before = execute(read(), client());
    const mutation = execute(read({}, 'mutation'), client());
    void execute(read(), client());
    expect(started).toHaveLength(2);
    started[1]?.resolve(new JsonResult('{}', []));
    await mutation;
    const after = execute(read(), client());
    expect(started).toHaveLength(3);
    started[0]?.resolve(new JsonResult('{"is":"old"}', []));
    expect((await before).dataJson).toBe('{"is":"old"}');
    void execute(read(), client());
    expect(started).toHaveLength(3);
    started[2]?.resolve(new JsonResult('{"is":"new"}', []));
    expect((await after).dataJson).toBe('{"is":"new"}');
  });

  it('is executed again after a mutation that failed', async () => {
    const { execute, started } = openReads();
    void execute(read(), client());
    const mutation = execute(read({}, 'mutation'), client());
    started[1]?.reject(new Error('timed out'));
    await expect(mutation).rejects.toThrow('timed out');
    void execute(read(), client());
    expect(started).toHaveLength(3);
  });

  it('is aborted when the last waiting client has left, and not before', async () => {
    const { execute, started } = openReads();
    const clients = [new AbortController(), new AbortController()];
    const results = clients.map(({ signal }) => execute(read(), client({ signal })));
    clients[0]?.abort(new Error('left'));
    expect(started[0]?.context.signal.aborted).toBe(false);
    clients[1]?.abort(new Error('left'));
    expect(started[0]?.context.signal.aborted).toBe(true);
    for (const result of results) await expect(result).rejects.toThrow('left');
  });

  it('is executed again for a client that comes after all others have left', async () => {
    const { execute, started } = openReads();
    const leaving = new AbortController();
    const first = execute(read(), client({ signal: leaving.signal }));
    leaving.abort(new Error('left'));
    const second = execute(read(), client());
    await expect(first).rejects.toThrow('left');
    started[1]?.resolve(new JsonResult('{}', []));
    expect((await second).dataJson).toBe('{}');
  });
});

/** Resolves once `count` more requests of clients have arrived. */
function clientRequests(count: number): Promise<void> {
  const channel = 'http.server.request.start';
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  const onRequest = (message: unknown) => {
    const { headers } = (message as { request: IncomingMessage }).request;
    if (headers['x-forwarded-for'] === undefined) left -= 1;
    if (left > 0) return;
    diagnostics.unsubscribe(channel, onRequest);
    resolve();
  };
  diagnostics.subscribe(channel, onRequest);
  return promise;
}

describe('shared reads: the gateway', () => {
  const body = JSON.stringify({ query: '{ hello }' });
  const post = async (url: string) =>
    (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).text();

  it.each([
    ['asks a subgraph once with SHARE_READS', { SHARE_READS: 'true' }, 1],
    ['asks a subgraph for each client by default', {}, 2],
  ])('%s', async (_what, environment, calls) => {
    await using subgraph = await startSubgraph();
    await using gateway = await startTestGateway({ environment, subgraphUrls: { people: subgraph.url } });
    const warmUp = post(gateway.graphqlUrl);
    respondWith(await subgraph.call(1), { data: { hello: 'hi' } });
    const expected = await warmUp;
    const arrived = clientRequests(2);
    const results = [post(gateway.graphqlUrl), post(gateway.graphqlUrl)];
    await Promise.all([arrived, subgraph.call(1 + calls)]);
    // This request arrives last. When it is answered, the gateway has started all earlier requests.
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    expect(subgraph.calls).toHaveLength(1 + calls);
    for (const call of subgraph.calls.slice(1)) respondWith(call, { data: { hello: 'hi' } });
    expect(await Promise.all(results)).toEqual([expected, expected]);
  });

  it('cancels a call for which no client waits any more', async () => {
    await using subgraph = await startSubgraph();
    await using gateway = await startTestGateway({
      environment: { SHARE_READS: 'true' },
      subgraphUrls: { people: subgraph.url },
    });
    const { response, leave } = postAndLeave(gateway.graphqlUrl, '{ hello }');
    const call = await subgraph.call(1);
    leave();
    await expect(response).rejects.toThrow();
    await once(call, 'close');
    expect(call.writableFinished).toBe(false);
  });

  it.each(['FORWARD_COOKIES', 'FORWARD_CACHE_CONTROL'])('does not start with SHARE_READS and %s', (setting) => {
    const settings = gatewayProcessSettings([], { hasSessions: false });
    expect(() => readConfig(settings, { SHARE_READS: 'true', [setting]: 'true' })).toThrow(
      /SHARE_READS is not possible with FORWARD_COOKIES or FORWARD_CACHE_CONTROL/,
    );
    expect(readConfig(settings, { SHARE_READS: 'true' }).SHARE_READS).toBe(true);
  });
});
