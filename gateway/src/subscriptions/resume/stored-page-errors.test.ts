import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../../testing/gateway.ts';

const secret = 'relation "moves" does not exist at 10.0.0.7';
const edge = { node: { place: 'Hue' }, replay_cursor: encodeCursor('m1'), replay_node: { customer: 'ann' } };
const pageInfo = { hasNextPage: false, endCursor: encodeCursor('m1') };
const masked = { code: 'SUBGRAPH_UNAVAILABLE', retryable: true };
const invalid = { code: 'SUBGRAPH_INVALID_RESPONSE', retryable: true };

describe('resume: a stored page', () => {
  let tracking: Awaited<ReturnType<typeof startReceiver>>;
  let gateway: TestGateway;
  beforeAll(async () => {
    tracking = await startReceiver({ path: '/graphql' });
    gateway = await startTestGateway({ subgraphUrls: { tracking: tracking.url } });
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await tracking?.[Symbol.asyncDispose]();
  });

  const resume = async (answer: object) => {
    tracking.answerWith({ status: 200, body: JSON.stringify(answer) });
    const { token } = await gateway.signIn('ann');
    const { client } = gateway.connect(token);
    const query = 'subscription ($c: String, $p: ID) { moved(after: $c, parcel: $p) { node { place } } }';
    const variables = { c: encodeCursor('m0'), p: 'p1' };
    return client
      .iterate({ query, variables })
      .next()
      .then(
        ({ value }) => value,
        (errors: unknown) => errors,
      );
  };
  const failed = (extensions?: object) => ({ data: null, errors: [{ message: secret, extensions }] });

  // Regression: for an error in the gateway's query, the client got BAD_USER_INPUT with the subgraph's message.
  it.each([
    ['an error without a code', undefined],
    ['an internal error', { code: 'INTERNAL_SERVER_ERROR' }],
    ['a code that is not public', { code: 'DOWNSTREAM_SERVICE_ERROR' }],
    ['a code that is not a string', { code: 7 }],
    ['a code that is a property of objects', { code: 'constructor' }],
    ['an error in the gateway’s own query', { code: 'GRAPHQL_VALIDATION_FAILED' }],
    ['an error in an argument of the gateway', { code: 'BAD_USER_INPUT', argument: 'first' }],
    ['an error without an argument', { code: 'BAD_USER_INPUT' }],
  ])('with an error is masked and retryable: %s', async (_what, extensions) => {
    const errors = await resume(failed(extensions));
    expect(errors).toMatchObject([{ extensions: masked }]);
    expect(JSON.stringify(errors)).not.toContain(secret);
    expect(gateway.log.text).toContain('relation');
  });

  it.each([
    ['CURSOR_INVALID', {}],
    ['FORBIDDEN', {}],
    ['SERVICE_UNAVAILABLE', { retryable: true }],
    ['BAD_USER_INPUT', { argument: 'parcel' }],
  ])('with a public error passes it on: %s', async (code, more) => {
    // For an unknown cursor, the gateway reads three pages. The second page has the positions after which the gateway
    // searches the topic. The third read is a retry with the cursor.
    const answer = { data: null, errors: [{ message: 'no', extensions: { code, ...more } }] };
    const first = { data: { moves: { edges: [], pageInfo, storedThrough: [] } } };
    if (code === 'CURSOR_INVALID')
      tracking.answerWith({ status: 200, body: JSON.stringify(answer) }, { status: 200, body: JSON.stringify(first) });
    expect(await resume(answer)).toMatchObject([{ message: 'no', extensions: { code, ...more } }]);
  });

  it.each([
    ['no connection', { moves: null }],
    ['no edges', { moves: { pageInfo } }],
    ['an edge that is null', { moves: { edges: [null], pageInfo } }],
    ['an invalid cursor', { moves: { edges: [{ ...edge, replay_cursor: null }], pageInfo } }],
    [
      'a page whose end cursor does not advance',
      { moves: { edges: [], pageInfo: { hasNextPage: true, endCursor: encodeCursor('m0') } } },
    ],
    [
      'a page without an end cursor that has a next page',
      { moves: { edges: [edge], pageInfo: { hasNextPage: true, endCursor: null } } },
    ],
    [
      'a position that is not a number',
      { moves: { edges: [edge], pageInfo, storedThrough: [{ topic: 'parcel-moved', partition: 0, position: 'x' }] } },
    ],
  ])('that is invalid is retryable: %s', async (_what, data) => {
    expect(await resume({ data })).toMatchObject([{ extensions: invalid }]);
  });
});
