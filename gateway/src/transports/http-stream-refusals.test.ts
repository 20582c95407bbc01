import { describe, expect, it } from 'vitest';
import { openStream, type StreamRequest } from '../testing/clients/event-stream.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { moved } from '../testing/supergraphs/moves.ts';

describe('http streams', () => {
  it.each([
    ['nobody is signed in', {}, moved, 401, 'UNAUTHENTICATED'],
    ['the token is invalid', { authorization: 'Bearer nope' }, moved, 401, 'UNAUTHENTICATED'],
    ['the query is not GraphQL', {}, 'subscription {', 400, 'GRAPHQL_PARSE_FAILED'],
    ['a field is unknown', {}, 'subscription { nope }', 400, 'GRAPHQL_VALIDATION_FAILED'],
  ])('respond with a status instead of a stream: %s', async (_what, headers, query, status, code) => {
    await using gateway = await startTestGateway();
    for (const accept of ['text/event-stream', 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0']) {
      const answer = await openStream(gateway.graphqlUrl, {
        headers: headers as Record<string, string>,
        query,
        accept,
      });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/json');
      expect((await answer.json()).errors[0].extensions.code).toBe(code);
    }
  });

  it('refuse bad cursors, mutations by GET, bad variables, foreign pages', async () => {
    await using gateway = await startTestGateway();
    const { headers, token } = await gateway.signIn();
    const refused = async (input: StreamRequest) => {
      const answer = await openStream(gateway.graphqlUrl, input);
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

  it('are limited per address, including those not started yet', async () => {
    await using gateway = await startTestGateway({
      environment: {
        TRUSTED_PROXIES: 'loopback',
        MAX_CONNECTIONS_PER_ADDRESS: '2',
        MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: '1',
      },
    });
    const { headers } = await gateway.signIn();
    const openFrom = (address: string) =>
      openStream(gateway.graphqlUrl, { headers: { ...headers, 'x-forwarded-for': address } });
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
});
