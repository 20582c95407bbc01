import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';
import { respondWith, startSubgraph } from '../testing/servers/subgraph.ts';
import { move } from '../testing/supergraphs/moves.ts';

const json = { 'content-type': 'application/json' };

describe('subgraph calls: a failed fetch', () => {
  const away = { people: 'http://127.0.0.1:9/graphql' };

  it('has an error at each root field', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: away });
    const { errors } = await gateway.post('{ hello again: hello }');
    expect(errors?.map(({ path }) => path)).toEqual([['hello'], ['again']]);
  });

  it('has an error at the path of its list of entities', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: away });
    gateway.world.stored = [move('m1'), move('m2')];
    const { errors } = await gateway.post(
      '{ list: moves(customer: "ann", first: 5, after: "djE6") { edges { node { recipient { name } } } } }',
    );
    expect(errors?.map(({ path }) => path)).toEqual([['list', 'edges']]);
  });

  it('has an error at the path of its entity, in an event', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: away });
    const { token } = await gateway.signIn('ann');
    const events = gateway
      .connect(token)
      .client.iterate({ query: 'subscription { moved { node { recipient { name } } } }' });
    const first = events.next();
    await gateway.untilSubscribed(1);
    await gateway.publish(move('m1'));
    expect((await first).value).toMatchObject({
      data: { moved: { node: { recipient: null } } },
      errors: [{ path: ['moved', 'node', 'recipient'], extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }],
    });
  });
});

describe('subgraph calls: the log', () => {
  const ask = (url: string, requestId: string) =>
    fetch(url, {
      method: 'POST',
      headers: { ...json, 'x-request-id': requestId },
      body: JSON.stringify({ query: '{ hello }' }),
    }).then((response) => response.json());
  const linesOf = (text: string, message: string) =>
    text
      .split('\n')
      .filter((line) => line.includes(message))
      .map((line) => JSON.parse(line));

  // Regression: the log had a line per failed call, without the request's id.
  it('has one line for many failed calls, with the request’s id', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: { people: 'http://127.0.0.1:9/graphql' } });
    for (let call = 0; call < 20; call += 1) await ask(gateway.graphqlUrl, `call-${call}`);
    expect(linesOf(gateway.log.text, 'a subgraph failed')).toMatchObject([
      { subgraph: 'people', code: 'SUBGRAPH_UNAVAILABLE', requestId: 'call-0', count: 1 },
    ]);
  });

  it('has one line for many masked failures, with the request’s id', async () => {
    const failed = {
      data: { hello: null },
      errors: [{ message: 'select * from secrets', path: ['hello'], extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
    };
    await using people = await startSubgraph((response) => respondWith(response, failed));
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
    for (let call = 0; call < 20; call += 1)
      expect(await ask(gateway.graphqlUrl, `call-${call}`)).toEqual({
        data: { hello: null },
        errors: [
          {
            message: 'Something went wrong on our side.',
            path: ['hello'],
            extensions: { code: 'INTERNAL_SERVER_ERROR' },
          },
        ],
      });
    expect(linesOf(gateway.log.text, 'an operation failed')).toMatchObject([
      { subgraph: 'people', requestId: 'call-0', path: ['hello'], count: 1 },
    ]);
    expect(gateway.log.text).not.toContain('a resolver failed');
  });
});

describe('http', () => {
  it('returns partial data while a subgraph is down, with an error at its path', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: { people: 'http://127.0.0.1:9/graphql' } });
    gateway.world.stored = [move('m1')];
    const answer = await gateway.post(
      '{ moves(customer: "ann", first: 5, after: "djE6") { edges { node { place recipient { name } } } } }',
    );
    expect(answer.data).toMatchObject({ moves: { edges: [{ node: { place: 'Hue', recipient: null } }] } });
    expect(answer.errors).toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }]);
    expect(JSON.stringify(answer.errors)).not.toContain('127.0.0.1');
  });
});

describe('subgraph calls', () => {
  it.each([
    ['a page', 200, '<html>', 'SUBGRAPH_INVALID_RESPONSE'],
    ['JSON that is not GraphQL', 200, '{"hello": 1}', 'SUBGRAPH_INVALID_RESPONSE'],
    ['a proxy’s error page', 502, 'Bad Gateway', 'SUBGRAPH_UNAVAILABLE'],
  ])('report a subgraph that answers %s', async (_what, status, body, code) => {
    await using subgraph = await startReceiver({ path: '/graphql' });
    subgraph.answerWith({ status, body });
    await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
    expect(await gateway.post('{ hello }')).toMatchObject({ errors: [{ extensions: { code } }] });
  });
});
