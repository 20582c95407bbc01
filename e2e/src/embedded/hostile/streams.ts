import { once } from 'node:events';
import type { Attack, AttackTable } from './attack.ts';
import { type Answer, connectClient, operation, request, within } from './wire.ts';

const events = { accept: 'text/event-stream' };
const parts = { accept: 'multipart/mixed;subscriptionSpec=1.0, application/json' };
const get = (parameters: string, headers: Record<string, string> = events) =>
  request('GET', `/graphql?${parameters}`, { headers });
const subscription = { query: 'subscription { voucherReceived { cursor } }' };

/** Opens and destroys many streams. */
async function openAndCut({ gatewayUrl }: { gatewayUrl: string }): Promise<Answer> {
  const heard = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const socket = await connectClient(gatewayUrl);
      socket.write(operation({ query: '{ __typename }' }, { ...events, connection: null }));
      const [chunk] = await within(once(socket, 'data'), () => 'no answer');
      socket.resetAndDestroy();
      return String(chunk);
    }),
  );
  return { status: null, text: heard.join('') };
}

/** Attacks on event streams and multipart responses. */
const attacks: Attack[] = [
  {
    name: 'a stream of what does not parse',
    send: operation({ query: '{' }, events),
    status: 400,
    code: 'GRAPHQL_PARSE_FAILED',
  },
  { name: 'a stream of what does not validate', send: operation({ query: '{ nothing }' }, events), status: 400 },
  { name: 'a stream of no operation', send: operation('{}', events), status: 400 },
  { name: 'a stream of null', send: operation('null', events), status: 400 },
  { name: 'a stream of a list', send: operation('[]', events), status: 400 },
  { name: 'a stream of half a JSON text', send: operation('{"query":', events), status: 400 },
  {
    name: 'a subscription without a token',
    send: operation(subscription, events),
    status: 401,
    code: 'UNAUTHENTICATED',
  },
  {
    name: 'a subscription with a forged token',
    send: operation(subscription, { ...events, authorization: 'Bearer e30.e30.x' }),
    status: 401,
  },
  { name: 'a multipart subscription without a token', send: operation(subscription, parts), status: 401 },
  {
    name: 'an invalid token in the URL',
    send: get('query=subscription{voucherReceived{cursor}}&access_token=..'),
    status: 401,
  },
  { name: 'two tokens in the URL', send: get('query={__typename}&access_token=a&access_token=b') },
  { name: 'a mutation by GET', send: get('query=mutation{signOut}'), status: 405 },
  {
    name: 'a last event id that is not a cursor',
    send: get('query={__typename}', { ...events, 'last-event-id': '\x7f{}' }),
  },
  {
    name: 'a last event id of 8 kB',
    send: get('query={__typename}', { ...events, 'last-event-id': 'a'.repeat(8_000) }),
  },
  { name: 'variables that are not JSON', send: get('query={__typename}&variables={'), status: 400 },
  {
    name: 'an Accept of 1,000 types',
    send: operation({ query: '{ __typename }' }, { accept: 'a/b;q=0.1,'.repeat(1_000) }),
  },
  { name: 'an Accept of nonsense', send: operation({ query: '{ __typename }' }, { accept: ';;,,q=,*/*/*' }) },
  {
    name: 'an Accept of events at quality 0',
    send: operation({ query: '{ __typename }' }, { accept: 'text/event-stream;q=0, application/json' }),
    status: 200,
  },
  {
    name: 'a page of another origin',
    send: operation({ query: '{ __typename }' }, { ...events, origin: 'https://elsewhere.test' }),
    status: 403,
  },
  {
    name: 'a response of 30 MB',
    send: operation(
      {
        query: `{ ${Array.from({ length: 600 }, (_, index) => `a${index}: __schema { types { name description fields { name description } } }`).join(' ')} }`,
      },
      events,
    ),
  },
  { name: '50 streams that are cut', send: openAndCut },
];

export const streams: AttackTable = { boundary: 'stream', urlOf: ({ gatewayUrl }) => gatewayUrl, attacks };
