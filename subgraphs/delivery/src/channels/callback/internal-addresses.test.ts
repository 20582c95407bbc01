import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { CanaryCalls, CanaryReport } from '../../testing/canaries-main.ts';

const main = fileURLToPath(new URL('../../testing/canaries-main.ts', import.meta.url));
/**
 * Addresses of private networks and metadata services, link-local addresses, and IPv6 addresses that contain one of
 * these.
 */
const internal = [
  '10.9.8.7',
  '172.16.9.9',
  '192.168.9.9',
  '100.64.9.9',
  '169.254.169.254',
  '168.63.129.16',
  'fd12::9',
  '64:ff9b::a09:807',
  '2002:a09:807::1',
];
const loopback = ['127.0.0.1', '::1'];
const publicAddresses = ['8.8.8.8', '2001:4860:4860::8888'];

/** Calls addresses in a process with its own network, in which all of them exist. */
async function call(calls: CanaryCalls): Promise<CanaryReport> {
  const add = [...internal, ...publicAddresses].map(
    (address) => `ip address add ${address}/${address.includes(':') ? 128 : 32} dev lo`,
  );
  const script = ['ip link set lo up', ...add, 'exec "$@"'].join(' && ');
  const { stdout } = await promisify(execFile)('unshare', [
    ...['--net', 'sh', '-c', script, 'sh', process.execPath, main],
    JSON.stringify(calls),
  ]);
  return JSON.parse(stdout);
}

// Only root can create a network, and only on Linux. The sender has the same resolver and connector as in the service.
it.runIf(process.platform === 'linux' && process.getuid?.() === 0).each([
  { mode: 'production', allowLoopback: false, refused: [...internal, ...loopback], allowed: publicAddresses },
  { mode: 'development', allowLoopback: true, refused: internal, allowed: [...publicAddresses, ...loopback] },
])(
  'callbacks: dial no internal address in $mode',
  async ({ allowLoopback, refused, allowed }) => {
    const report = await call({
      allowLoopback,
      internal: [...refused, '::ffff:10.9.8.7'],
      hosts: ['0.0.0.0', '[::]', '0', '0x0a090807', '167840775', '012.9.8.7', '10.591879', '[::ffff:0a09:0807]'],
      allowed,
    });
    // A plain connection reaches every address. So the sender has refused each address that it did not dial.
    expect(report.unreachable).toEqual([]);
    expect(report.dialled).toEqual({
      host: [],
      allowed,
      literal: [],
      name: [],
      'name with a public address, too': [],
      'redirect of a public address': ['8.8.8.8'],
      'name before it is rebound': ['8.8.8.8'],
      'name after it is rebound': [],
    });
  },
  60_000,
);
