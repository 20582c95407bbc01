import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import { describe, expect, it } from 'vitest';
import { postAndLeave } from '../testing/clients/leaving-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { respondWith, startSubgraph } from '../testing/servers/subgraph.ts';

const json = { 'content-type': 'application/json' };
const hello = { data: { hello: 'hello' } };

describe('subgraph calls', () => {
  it('forward authorization, request id and address, and nothing else', async () => {
    await using gateway = await startTestGateway();
    const ann = await gateway.signIn();
    await fetch(gateway.graphqlUrl, {
      method: 'POST',
      headers: { ...json, authorization: ann.token, cookie: 'secret=1', 'x-forwarded-for': '10.0.0.1' },
      body: JSON.stringify({ query: '{ hello }' }),
    });
    const [call] = gateway.calls;
    expect(call).toMatchObject({ subgraph: 'people', headers: { authorization: ann.token } });
    expect(call?.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/);
    // The client's x-forwarded-for is ignored, because the client is no trusted proxy.
    expect(call?.headers['x-forwarded-for']).toBe('127.0.0.1');
    expect(Object.keys(call?.headers ?? {})).not.toContain('cookie');
  });

  it.each(['null', '[]'])('`errors: %s` in a response counts as no errors', async (errors) => {
    await using people = await startSubgraph((response) =>
      response.writeHead(200, json).end(`{"data":{"hello":"hello"},"errors":${errors}}`),
    );
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
    const { data, errors: seen } = await gateway.post('{ hello }');
    expect([data, seen]).toEqual([{ hello: 'hello' }, undefined]);
  });

  it('a client’s disconnection is not a failure of the subgraph', async () => {
    let isSilent = true;
    await using people = await startSubgraph((response) => {
      if (!isSilent) respondWith(response, hello);
    });
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
    const left = postAndLeave(gateway.graphqlUrl, '{ hello }');
    const call = await people.call(1);
    const closed = new Promise((resolve) => call.once('close', resolve));
    left.leave();
    await expect(left.response).rejects.toThrow('aborted');
    await closed;
    isSilent = false;
    expect(await gateway.post('{ hello }')).toMatchObject({ data: { hello: 'hello' } });
    expect(gateway.log.text).not.toMatch(/a subgraph failed|an operation failed|a resolver failed/);
  });

  it('are aborted when the client disconnects', async () => {
    await using subgraph = await startReceiver({ path: '/graphql' });
    subgraph.answerWith('hang');
    await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
    const left = postAndLeave(gateway.graphqlUrl, '{ hello }');
    const call = await subgraph.next();
    left.leave();
    await expect(left.response).rejects.toThrow('aborted');
    await call.closed;
  });

  it('wait for no TLS handshake of another call', async () => {
    // Regression: while one call waited for its TLS handshake, undici opened no connection for other calls.
    await using receiver = await startReceiver({ path: '/graphql' });
    await using silent = await startTcpProxy(receiver.url.replace('http:', 'https:'));
    silent.silence();
    await using gateway = await startTestGateway({
      subgraphUrls: { people: silent.url },
      environment: { SUBGRAPH_TIMEOUT: '3s' },
    });
    const answers = ['a', 'b', 'c'].map((alias) => gateway.post(`{ ${alias}: hello }`));
    await Promise.race([silent.untilTaken(3), ...answers]);
    expect(silent.taken).toBe(3);
  });
});
