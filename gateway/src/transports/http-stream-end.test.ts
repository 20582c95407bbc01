import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { openStream } from '../testing/clients/event-stream.ts';
import { postAndLeave } from '../testing/clients/leaving-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold, holdCaughtUp } from '../testing/hold.ts';
import { startSubgraph } from '../testing/servers/subgraph.ts';
import { move, moved } from '../testing/supergraphs/moves.ts';

/** Returns the value that the session store has for a token's session. */
function sessionOf(authorization: string): string {
  const [header, payload] = authorization
    .split(/[ .]/)
    .slice(1, 3)
    .map((part) => JSON.parse(atob(part)));
  return JSON.stringify({ userId: payload.sub, kid: header.kid });
}

describe('http streams', () => {
  it.each([
    ['Server-Sent Events', 'text/event-stream', 'event: complete\ndata: \n\n'],
    ['multipart', 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0', '--graphql--'],
  ])('end a stream of %s with SESSION_EXPIRED at its session’s end', async (_format, accept, end) => {
    await using gateway = await startTestGateway();
    const { headers, sid } = await gateway.signIn();
    const stream = await openStream(gateway.graphqlUrl, { headers, accept });
    await gateway.untilSubscribed(1);
    await gateway.endSession({ sid });
    const text = await stream.end();
    expect(text).toContain('"code":"SESSION_EXPIRED"');
    expect(text.replaceAll('\r\n', '')).toContain(end.replaceAll('\r\n', ''));
    await gateway.untilSubscribed(0);
  });

  it('abort subgraph calls when the client disconnects', async () => {
    await using subgraph = await startSubgraph();
    await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
    const stream = await openStream(gateway.graphqlUrl, { query: '{ hello }' });
    const call = await subgraph.call(1);
    const closed = new Promise((resolve) => call.once('close', resolve));
    await stream.cancel();
    await closed;
    expect(call.writableFinished).toBe(false);
  });

  it('answer running operations after the session’s end, in the drain', async () => {
    // Regression: `signOut` ended the session and the stream before the client got the result of `signOut`.
    const names = createHold();
    await using gateway = await startTestGateway();
    gateway.world.onName = names.wait;
    const { headers, sid } = await gateway.signIn();
    gateway.world.stored = [move('m1')];
    const events = await openStream(gateway.graphqlUrl, { headers });
    await gateway.untilSubscribed(1);
    const after = encodeCursor(null);
    const stream = await openStream(gateway.graphqlUrl, {
      headers,
      query: `{ moves(customer: "ann", first: 1, after: "${after}") { edges { node { recipient { name } } } } }`,
    });
    await names.reached;
    await gateway.endSession({ sid });
    expect(await events.end()).toContain('SESSION_EXPIRED');
    const stopped = gateway.stop();
    names.release();
    expect(await stream.end()).toContain('"name of bob"');
    await stopped;
  });

  it('complete after a result larger than the buffer limit', async () => {
    // Regression: a large result filled the buffer beyond its limit. When `complete` followed, the stream was
    // destroyed.
    await using gateway = await startTestGateway({ environment: { MAX_BUFFERED_BYTES: '16384' } });
    const place = 'x'.repeat(8_000_000);
    gateway.world.stored = [move('m1', { place })];
    const answer = await openStream(gateway.graphqlUrl, {
      query: '{ moves(customer: "ann", first: 1, after: "djE6") { edges { node { place } } } }',
      accept: 'text/event-stream',
    });
    const text = await answer.end();
    expect(text.includes(place)).toBe(true);
    expect(text.slice(-30)).toMatch(/event: complete\ndata:\s+$/);
  });

  it('unsubscribe when the client disconnects', async () => {
    await using gateway = await startTestGateway();
    const { headers } = await gateway.signIn();
    const stream = await openStream(gateway.graphqlUrl, { headers });
    await gateway.untilSubscribed(1);
    await stream.cancel();
    await gateway.untilSubscribed(0);
  });

  it('keep nothing of a client that left during authentication', async () => {
    const touched = createHold();
    let isFirst = true;
    let session = '';
    await using gateway = await startTestGateway({
      keyValue: {
        async touch() {
          if (isFirst) await touched.wait();
          return session;
        },
      },
    });
    const { headers } = await gateway.signIn();
    session = sessionOf(headers.authorization);
    const left = postAndLeave(gateway.graphqlUrl, moved, { ...headers, accept: 'text/event-stream' });
    await touched.reached;
    left.leave();
    await expect(left.response).rejects.toThrow('aborted');
    // The gateway runs in this process, and notices the disconnection in one of the next turns of the event loop.
    for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate);
    isFirst = false;
    touched.release();
    // This request comes after the request of the disconnected client. Once this subscription is active, the gateway
    // has handled both requests.
    const staying = await openStream(gateway.graphqlUrl, { headers });
    await staying.until(':');
    await gateway.untilSubscribed(1);
    await staying.cancel();
    await gateway.untilSubscribed(0);
  });

  it('keep nothing of a client that left while the topic was read for its cursor', async () => {
    // Regression: the stream was released before its subscription was admitted, so nothing disposed the subscription.
    // The subscription counted against the quota until the process stopped.
    await using ctx = await startTestGateway();
    const caughtUp = holdCaughtUp(ctx.engines.topics);
    const gateway = await ctx.start();
    const url = `${gateway.url}/graphql`;
    const { headers } = await ctx.signIn();
    await ctx.publish(move('m1'));
    const query = `subscription { moved(after: "${encodeCursor('m1')}") { node { place } } }`;
    const left = postAndLeave(url, query, { ...headers, accept: 'text/event-stream' });
    await caughtUp.reached;
    expect(gateway.subscriptions).toBe(1);
    left.leave();
    await expect(left.response).rejects.toThrow('aborted');
    // The gateway runs in this process, and notices the disconnection in one of the next turns of the event loop.
    for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate);
    caughtUp.release();
    await expect.poll(() => gateway.subscriptions).toBe(0);
    await gateway[Symbol.asyncDispose]();
  });

  it('end in the drain, so that EventSource and Apollo Client reconnect', async () => {
    await using gateway = await startTestGateway();
    const { headers } = await gateway.signIn();
    const events = await openStream(gateway.graphqlUrl, { headers });
    const parts = await openStream(gateway.graphqlUrl, { headers, accept: 'multipart/mixed;subscriptionSpec=1.0' });
    await gateway.untilSubscribed(2);
    await gateway[Symbol.asyncDispose]();
    expect(await events.end()).not.toContain('complete');
    expect(await parts.end()).toContain('"code":"SERVICE_UNAVAILABLE","retryable":true');
  });
});
