import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6 } from 'node:net';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { createCallbackSender } from '../channels/callback/send.ts';

// Entry of a process in a separate network namespace. It listens on all addresses. It calls the addresses that are its
// arguments, each literally and by a name, with the policy of development. At the end it prints the addresses on which
// a connection arrived.
const dialled = new Set<string>();
const server = createServer((socket) => {
  dialled.add((socket.localAddress ?? '').replace(/^::ffff:/, ''));
  socket.on('error', () => {}).end('HTTP/1.1 204 No Content\r\n\r\n');
});
server.listen(0, '::');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

for (const address of process.argv.slice(2)) {
  const family = isIPv6(address) ? 6 : 4;
  await using sender = createCallbackSender({
    log: silentLog,
    clock: systemClock,
    now: () => Date.now(),
    timeoutMs: 10_000,
    policy: { allowLoopback: true, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
    resolver: { resolve: async () => [{ address, family }], [Symbol.dispose]() {} },
    keys: { signing: () => [] },
  });
  for (const host of [family === 6 ? `[${address}]` : address, 'receiver.example.com'])
    await sender.send(
      { id: 'an-id', url: `http://${host}:${port}/`, body: '{}', secrets: [] },
      new AbortController().signal,
    );
}
server.close();
process.stdout.write(JSON.stringify([...dialled]));
