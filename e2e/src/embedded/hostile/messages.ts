import type { Attack, AttackTable } from './attack.ts';
import { type Conversation, converse, frame, sendFrames } from './sockets.ts';

const cjk = '漢'.repeat(60);
const subscribe = (id: unknown, payload: unknown = { query: '{ __typename }' }) => ({ id, type: 'subscribe', payload });
const say =
  (messages: readonly (string | Buffer | object)[], options?: Conversation) =>
  ({ gatewayUrl }: { gatewayUrl: string }) =>
    converse(gatewayUrl, messages, options);
const fresh = { init: false };
const untilClosed = { init: false, until: /never/ };
/** An attack that sends a message before `connection_init`. The server must close the socket with `closeCode`. */
const first = (name: string, message: string | Buffer | object, closeCode: number): Attack => ({
  name,
  send: say([message], fresh),
  closeCode,
});
const init = (payload: unknown) => ({ type: 'connection_init', payload });
const times = <T>(count: number, piece: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => piece(index));
/** A slow operation, because it hashes a password. */
const signIn = { query: 'mutation { signIn(input: {username: "nobody", password: "correct horse"}) { token } }' };
const voucherReceived = { query: 'subscription { voucherReceived { cursor } }' };

/** Messages that violate the protocol (graphql-ws's PROTOCOL.md). */
const attacks: Attack[] = [
  first('text that is no JSON', 'hello', 4400),
  first('JSON that is no object', '[1]', 4400),
  first('null', 'null', 4400),
  first('an object without a type', {}, 4400),
  first('a type that is no text', { type: ['subscribe'] }, 4400),
  first('a type of 180 bytes', { type: cjk }, 4400),
  first('a type of Object’s prototype', { type: 'constructor' }, 4400),
  first('bytes in place of text', Buffer.from([0, 1, 2, 0xff]), 4400),
  first('lists nested 30,000 deep', `${'['.repeat(30_000)}${']'.repeat(30_000)}`, 4400),
  first('a message over the limit', `{"type":"ping","payload":{"a":"${'x'.repeat(100_000)}"}}`, 1009),
  first('a subscription before connection_init', subscribe('a'), 4401),
  first('a payload that is a list', init([1]), 4400),
  first('a payload that is a string', init('Bearer x'), 4400),
  first('a message of the server’s', { type: 'connection_ack' }, 4400),
  first('next before connection_init', { id: 'a', type: 'next', payload: {} }, 4400),
  { name: 'a ping whose payload is a long text', send: say([{ type: 'ping', payload: cjk }], fresh), closeCode: 4400 },
  {
    name: 'a ping whose payload is large',
    send: say([{ type: 'ping', payload: { a: cjk.repeat(300) } }], { ...fresh, until: /pong/ }),
  },
  { name: 'a pong that is unsolicited', send: say([{ type: 'pong' }, { type: 'pong', payload: { a: cjk } }]) },
  { name: 'two connection_inits', send: say([init({})]), closeCode: 4429 },
  {
    name: 'an authorization that is an object',
    send: say([init({ authorization: { toString: 'x' } })], { ...fresh, until: /ack/ }),
  },
  {
    name: 'an authorization that is not a token',
    send: say([init({ authorization: `Bearer ${cjk}` })], untilClosed),
    closeCode: 4403,
  },
  {
    name: 'an authorization of 60 kB',
    send: say([init({ authorization: 'a.'.repeat(30_000) })], untilClosed),
    closeCode: 4403,
  },
  {
    name: 'authorizations of every case',
    send: say([init({ AUTHORIZATION: '', Authorization: 'x', authorization: 'y' })], untilClosed),
    closeCode: 4403,
  },
  { name: 'a socket without any message', send: say([], untilClosed), closeCode: 4408 },
  {
    name: 'a subprotocol of another library',
    send: ({ gatewayUrl }) => sendFrames(gatewayUrl, [], { 'sec-websocket-protocol': 'graphql-ws' }),
    closeCode: 4406,
  },
  { name: 'no id', send: say([{ type: 'subscribe', payload: voucherReceived }]), closeCode: 4400 },
  { name: 'an id that is empty', send: say([subscribe('')]), closeCode: 4400 },
  { name: 'an id that is a number', send: say([subscribe(7)]), closeCode: 4400 },
  { name: 'an id of 60 kB', send: say([subscribe('a'.repeat(60_000))]) },
  { name: 'an id of Object’s prototype', send: say([subscribe('__proto__')], { until: /"type":"complete"/ }) },
  {
    name: 'a long id that is subscribed twice',
    send: say([subscribe(cjk, signIn), subscribe(cjk, signIn)], { until: /never/ }),
    closeCode: 4409,
  },
  { name: 'no payload', send: say([{ id: 'a', type: 'subscribe' }]), closeCode: 4400 },
  { name: 'a payload without a query', send: say([subscribe('a', {})]), closeCode: 4400 },
  { name: 'a query that is a list', send: say([subscribe('a', { query: ['{ __typename }'] })]), closeCode: 4400 },
  {
    name: 'variables that are a list',
    send: say([subscribe('a', { query: '{ __typename }', variables: [] })]),
    closeCode: 4400,
  },
  {
    name: 'an operation name that is a number',
    send: say([subscribe('a', { query: '{ __typename }', operationName: 1 })]),
    closeCode: 4400,
  },
  {
    name: 'extensions that are a string',
    send: say([subscribe('a', { query: '{ __typename }', extensions: 'x' })]),
    closeCode: 4400,
  },
  {
    name: 'a query that does not parse',
    send: say([subscribe('a', { query: '{' })], { until: /"type":"error"/ }),
    code: 'GRAPHQL_PARSE_FAILED',
  },
  {
    name: 'complete of an unknown id',
    send: say([
      { id: 'nobody', type: 'complete' },
      { id: 'constructor', type: 'complete' },
    ]),
  },
  { name: 'complete without an id', send: say([{ type: 'complete' }]), closeCode: 4400 },
  { name: '1,000 pings', send: say(times(1_000, () => ({ type: 'ping' }))) },
  { name: '300 operations at once', send: say(times(300, (index) => subscribe(`a${index}`))) },
  {
    name: '500 subscriptions that are completed at once',
    send: say(
      times(500, (index) => [subscribe(`a${index}`, voucherReceived), { id: `a${index}`, type: 'complete' }]).flat(),
    ),
  },
  {
    name: '100 sign-ins that are completed at once',
    send: say(times(100, (index) => [subscribe(`a${index}`, signIn), { id: `a${index}`, type: 'complete' }]).flat()),
  },
  {
    name: 'a persisted operation that is not stored',
    send: say([subscribe('a', { query: '', extensions: { persistedQuery: { version: 1, sha256Hash: 'a' } } })], {
      until: /"type":"error"/,
    }),
  },
];

export const messages: AttackTable = { boundary: 'websocket message', urlOf: ({ gatewayUrl }) => gatewayUrl, attacks };

const send =
  (...frames: Buffer[]) =>
  ({ gatewayUrl }: { gatewayUrl: string }) =>
    sendFrames(gatewayUrl, frames);
const closing = (code: number, reason = '') => {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return frame(payload, { opcode: 8 });
};

/** Frames that no client may send (RFC 6455, sections 5 and 7). */
const frameAttacks: Attack[] = [
  { name: 'a frame without a mask', send: send(frame('{}', { isMasked: false })), closeCode: 1002 },
  { name: 'an opcode that is reserved', send: send(frame('x', { opcode: 3 })), closeCode: 1002 },
  { name: 'a control opcode that is reserved', send: send(frame('x', { opcode: 0xb })), closeCode: 1002 },
  { name: 'the reserved bits', send: send(frame('{}', { reserved: 7 })), closeCode: 1002 },
  { name: 'a compressed frame that was not agreed on', send: send(frame('x', { reserved: 4 })), closeCode: 1002 },
  { name: 'a continuation of nothing', send: send(frame('x', { opcode: 0 })), closeCode: 1002 },
  { name: 'a text within a text', send: send(frame('{', { fin: false }), frame('}')), closeCode: 1002 },
  { name: 'a ping in pieces', send: send(frame('x', { opcode: 9, fin: false })), closeCode: 1002 },
  { name: 'a ping of 126 bytes', send: send(frame('x'.repeat(126), { opcode: 9 })), closeCode: 1002 },
  { name: 'a text that is no UTF-8', send: send(frame(Buffer.from([0xff, 0xfe]))), closeCode: 1007 },
  { name: 'a length of 2 to the power of 63', send: send(Buffer.from('81ffffffffffffffffff', 'hex')), closeCode: 1009 },
  {
    name: 'pieces without an end',
    send: send(...times(70, (index) => frame('x'.repeat(1_000), { opcode: index === 0 ? 1 : 0, fin: false }))),
    closeCode: 1009,
  },
  { name: 'a close of one byte', send: send(frame('x', { opcode: 8 })), closeCode: 1002 },
  { name: 'a close with a code that is reserved', send: send(closing(1005)), closeCode: 1002 },
  { name: 'a close with an unknown code', send: send(closing(65_535)), closeCode: 1002 },
  {
    name: 'a close whose reason is not UTF-8',
    send: send(frame(Buffer.from([0x03, 0xe8, 0xff]), { opcode: 8 })),
    closeCode: 1007,
  },
  { name: 'a close, and frames after it', send: send(closing(1000), frame('{"type":"ping"}')), closeCode: 1000 },
  { name: 'HTTP in place of frames', send: send(Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')), closeCode: 1002 },
];

export const frames: AttackTable = {
  boundary: 'websocket frame',
  urlOf: ({ gatewayUrl }) => gatewayUrl,
  attacks: frameAttacks,
};
