import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { createNameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { startDnsServer } from '@voucher-gateway/platform/testing/dns-server';
import { createCallbackSender } from '../channels/callback/send.ts';

/** The instructions to the process, as JSON in its argument. */
export interface CanaryCalls {
  /** Whether loopback addresses may be called, as in development mode. */
  allowLoopback: boolean;
  /** Addresses that must not be called. The process tries each as a literal, by several names, and by a redirect. */
  internal: readonly string[];
  /** Hosts that must not be called, in the notation of a URL. */
  hosts: readonly string[];
  /** Addresses that may be called, a public one first. */
  allowed: readonly string[];
}

/** The results of the process, as JSON on standard output. */
export interface CanaryReport {
  /**
   * Addresses that the process could not reach by a plain connection. For these addresses, `dialled` proves nothing.
   */
  unreachable: string[];
  /**
   * The addresses to which the sender has made a connection, by kind of call. A call gives the address literally, by
   * name or by redirect.
   */
  dialled: Record<string, string[]>;
}

// Entry of a process with its own network, in which all addresses of `CanaryCalls` exist. The process listens on all
// addresses. The process exits after 2 minutes, even if the test that started the process was killed.
setTimeout(() => process.exit(1), 120_000).unref();
const { allowLoopback, internal, hosts, allowed } = JSON.parse(process.argv[2] ?? '') as CanaryCalls;
const [publicAddress = ''] = allowed;
let dialled = new Set<string>();
let location: string | null = null;
const server = createServer((socket) => {
  dialled.add(withoutPrefix(socket.localAddress ?? ''));
  const redirect = location === null ? '' : `Location: ${location}\r\n`;
  const status = location === null ? '204 No Content' : '307 Temporary Redirect';
  // The server closes each connection, so that each call makes a new one.
  socket
    .on('error', () => {})
    .once('data', () => socket.end(`HTTP/1.1 ${status}\r\n${redirect}content-length: 0\r\n\r\n`));
});
server.listen(0, '::');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

/** Returns the addresses on which connections arrived during some work. */
async function during(work: () => Promise<void>): Promise<string[]> {
  dialled = new Set();
  await work();
  return [...dialled];
}

const unreachable: string[] = [];
for (const address of [...internal, ...allowed]) {
  const seen = await during(async () => {
    const socket = connect(port, address, () => socket.end('x'));
    socket.on('error', () => {}).resume();
    await once(socket, 'close');
  });
  if (!seen.includes(withoutPrefix(address))) unreachable.push(address);
}

const found: Record<string, string[]> = {};
{
  await using names = await startDnsServer({ ttlSeconds: 0 });
  using resolver = createNameResolver({ servers: [names.address], timeoutMs: 5_000 });
  await using sender = createCallbackSender({
    log: silentLog,
    clock: systemClock,
    now: () => Date.now(),
    timeoutMs: 10_000,
    policy: { allowLoopback, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
    resolver,
    keys: { signing: () => [] },
  });
  let calls = 0;
  const call = async (way: string, host: string, redirectTo: string | null = null): Promise<void> => {
    location = redirectTo;
    const seen = await during(async () => {
      const callback = { id: 'an-id', url: `http://${host}:${port}/`, body: '{}', secrets: [] };
      await sender.send(callback, new AbortController().signal);
    });
    found[way] = [...new Set([...(found[way] ?? []), ...seen])];
  };
  /** Returns a new name. A name that was resolved before could be in the cache. */
  const nameOf = (own: readonly string[]): string => {
    calls += 1;
    const name = `receiver-${calls}.example.com`;
    names.addresses.set(name, own);
    return name;
  };
  for (const host of hosts) await call('host', host);
  for (const address of allowed) {
    await call('allowed', hostOf(address));
    await call('allowed', nameOf([address]));
  }
  for (const address of internal) {
    await call('literal', hostOf(address));
    await call('name', nameOf([address]));
    await call('name with a public address, too', nameOf([publicAddress, address]));
    await call('redirect of a public address', hostOf(publicAddress), `http://${hostOf(address)}:${port}/`);
  }
  const rebound = internal.map((address) => ({ address, name: nameOf([publicAddress]) }));
  for (const { name } of rebound) await call('name before it is rebound', name);
  for (const { address, name } of rebound) names.addresses.set(name, [address]);
  for (const { name } of rebound) {
    const asked = () => names.questions.filter((question) => question.endsWith(` ${name}`)).length;
    // The resolver caches the first address for a second. The loop ends when the resolver has sent another DNS query.
    for (const before = asked(); asked() === before; await sleep(20)) await resolver.resolve(name);
    await call('name after it is rebound', name);
  }
}
server.close();
process.stdout.write(JSON.stringify({ unreachable, dialled: found } satisfies CanaryReport));

function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** Removes the prefix with which an IPv6 socket shows an IPv4 address. */
function withoutPrefix(address: string): string {
  return address.replace(/^::ffff:/, '');
}
