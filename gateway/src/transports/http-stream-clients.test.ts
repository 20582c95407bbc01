import { createHash } from 'node:crypto';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { createClient } from 'graphql-sse';
import { EventSource } from 'undici';
import { describe, expect, it } from 'vitest';
import { openStream } from '../testing/clients/event-stream.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { move, moved, movedResult } from '../testing/supergraphs/moves.ts';

describe('http streams', () => {
  it('send Server-Sent Events, each with its cursor as id', async () => {
    await using gateway = await startTestGateway();
    const { headers } = await gateway.signIn();
    const stream = await openStream(gateway.graphqlUrl, { headers });
    expect(stream.status).toBe(200);
    expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(stream.headers.get('cache-control')).toBe('no-store');
    await gateway.publish(move('m1', { customer: 'bob' }));
    await gateway.publish(move('m2'));
    const text = await stream.until(`id: ${encodeCursor('m2')}`);
    expect(await stream.until('bob"}}}}}')).toContain(`event: next\ndata: ${JSON.stringify(movedResult('m2'))}`);
    expect(text).not.toContain(encodeCursor('m1'));
    await stream.cancel();
  });

  it('send the id even if the cursor is not selected', async () => {
    await using gateway = await startTestGateway();
    const { headers } = await gateway.signIn();
    const stream = await openStream(gateway.graphqlUrl, {
      headers,
      query: 'subscription { m: moved { node { place } } }',
    });
    await gateway.publish(move('m1'));
    expect(await stream.until('"m"')).toContain(`id: ${encodeCursor('m1')}\n`);
    await stream.cancel();
  });

  it('serve the client of graphql-sse, errors before the stream included', async () => {
    await using gateway = await startTestGateway();
    const { headers } = await gateway.signIn();
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
    expect((await first).value).toEqual(movedResult('m1'));
    client.dispose();
  });

  it('serve EventSource by GET with access_token, and resume it', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
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
    expect(await came.promise).toEqual({ data: movedResult('m4'), lastEventId: encodeCursor('m4') });
    source.close();

    const again = await openStream(gateway.graphqlUrl, {
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

  it('send multipart as Apollo Client reads it', async () => {
    await using gateway = await startTestGateway();
    const { headers } = await gateway.signIn();
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
    expect(await came.promise).toMatchObject(movedResult('m1').data);
    subscription.unsubscribe();
    await gateway.untilSubscribed(0);
    const { data } = await client.query({ query: gql('{ hello }') });
    expect(data).toEqual({ hello: 'hello' });
    client.stop();
  });

  it('answer urql’s queries as JSON, its subscriptions as events', async () => {
    // Regression: urql's queries were answered as streams, but urql's persisted queries do not work with streams.
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
    const { headers } = await gateway.signIn();
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
    const stream = await openStream(gateway.graphqlUrl, { headers, accept });
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    await stream.cancel();
    const refused = await openStream(gateway.graphqlUrl, { headers, accept: 'application/json' });
    expect(refused.status).toBe(400);
    expect((await refused.json()).errors[0]).toMatchObject({
      message: expect.stringContaining('text/event-stream'),
      extensions: { code: 'BAD_REQUEST' },
    });
  });
});
