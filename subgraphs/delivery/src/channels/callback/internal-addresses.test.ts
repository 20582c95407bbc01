import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../testing/canaries-main.ts', import.meta.url));
const internal = [
  '10.9.8.7',
  '172.16.9.9',
  '192.168.9.9',
  '100.64.9.9',
  '169.254.169.254',
  '168.63.129.16',
  'fd12::9',
  'fe80::9',
];

// The test needs a network namespace, which only root on Linux can create.
it.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
  'callbacks: dial no internal address but loopback in development',
  async () => {
    const add = [...internal, '8.8.8.8'].map(
      (address) => `ip address add ${address}/${address.includes(':') ? 128 : 32} dev lo`,
    );
    const script = ['ip link set lo up', ...add, 'exec "$@"'].join(' && ');
    const { stdout } = await promisify(execFile)('unshare', [
      ...['--net', 'sh', '-c', script, 'sh', process.execPath, main],
      ...[...internal, '127.0.0.1', '8.8.8.8'],
    ]);
    // These two addresses are allowed. They prove that a call that is made would be noticed.
    expect(JSON.parse(stdout)).toEqual(['127.0.0.1', '8.8.8.8']);
  },
);
