import { once } from 'node:events';
import type { Attack, AttackTable } from './attack.ts';
import { upgrade } from './sockets.ts';
import { type Answer, connectClient, exchange, operation, request, within } from './wire.ts';

/** Requests an upgrade and resets the connection, before or after the response. */
const andReset =
  (bytes: Buffer, waitsForAnswer: boolean) =>
  async ({ gatewayUrl }: { gatewayUrl: string }): Promise<Answer> => {
    const socket = await connectClient(gatewayUrl);
    socket.write(bytes);
    const [chunk] = waitsForAnswer ? await within(once(socket, 'data'), () => 'no answer to the upgrade') : [''];
    socket.resetAndDestroy();
    return { status: null, text: String(chunk) };
  };

/** Repeats an attack many times, so that leaks become visible. */
const many =
  (count: number, once: (system: { gatewayUrl: string }) => Promise<Answer>) =>
  async (system: { gatewayUrl: string }): Promise<Answer> => {
    const answers = await Promise.all(Array.from({ length: count }, () => once(system)));
    return { status: null, text: answers.map(({ text }) => text).join('') };
  };

const foreign = { origin: 'https://elsewhere.test' };

/** Upgrade requests that are invalid, or that the gateway must refuse. */
const attacks: Attack[] = [
  { name: 'a doubly slashed address', send: upgrade({}, '//'), status: 404 },
  { name: 'an address that is not a URL', send: upgrade({}, 'http://[::1:99999/graphql'), status: 404 },
  { name: 'an absolute address', send: upgrade({}, 'http://elsewhere.test/graphql'), status: 404 },
  { name: 'another address', send: upgrade({}, '/elsewhere'), status: 404 },
  { name: 'an address of 8 kB', send: upgrade({}, `/${'a'.repeat(8_000)}`), status: 404 },
  { name: 'a page of another origin', send: upgrade(foreign), status: 403 },
  { name: 'an origin that is not a URL', send: upgrade({ origin: '::::' }), status: 403 },
  { name: 'the origin null of a sandbox', send: upgrade({ origin: 'null' }), status: 403 },
  { name: 'no Host beside an origin', send: upgrade({ host: '', origin: 'http://' }), status: 403 },
  { name: 'no key', send: upgrade({ 'sec-websocket-key': null }), status: 400 },
  { name: 'a key that is no key', send: upgrade({ 'sec-websocket-key': 'short' }), status: 400 },
  { name: 'a version of a draft', send: upgrade({ 'sec-websocket-version': '99' }), status: 400 },
  { name: 'an upgrade by POST', send: Buffer.from(String(upgrade()).replace('GET', 'POST'), 'latin1') },
  { name: 'an upgrade to another protocol', send: upgrade({ upgrade: 'h2c', connection: 'Upgrade, close' }) },
  {
    name: 'an upgrade with a body',
    send: operation('{"query":"{ __typename }"}', { connection: 'Upgrade', upgrade: 'websocket' }),
  },
  {
    name: 'a subprotocol that is not a token',
    send: upgrade({ 'sec-websocket-protocol': 'graphql-transport-ws,,;' }),
    status: 400,
  },
  {
    name: 'extensions that do not parse',
    send: andReset(upgrade({ 'sec-websocket-extensions': 'permessage-deflate; =;' }), true),
  },
  {
    name: 'a refused client that stays',
    send: ({ gatewayUrl }) => exchange(gatewayUrl, upgrade(foreign)),
    status: 403,
  },
  { name: 'a refused client that resets', send: andReset(upgrade({}, '/elsewhere'), true) },
  { name: 'a refused client that resets at once', send: many(50, andReset(upgrade(foreign), false)) },
  { name: 'a client that resets once it is upgraded', send: many(50, andReset(upgrade(), true)) },
  {
    name: 'a refused client that keeps sending',
    send: Buffer.concat([upgrade({}, '/elsewhere'), Buffer.alloc(200_000, 'x')]),
  },
  {
    name: 'an upgrade after a request on one connection',
    send: Buffer.concat([request('GET', '/health/live', { headers: { connection: null } }), upgrade({}, '//')]),
  },
];

export const upgrades: AttackTable = { boundary: 'upgrade', urlOf: ({ gatewayUrl }) => gatewayUrl, attacks };
