import { connect } from 'node:net';
import { expect, it } from 'vitest';
import type { Environment } from '../../process/config.ts';
import { hostileRequests } from '../hostile/hostile-requests.ts';
import { sendRaw } from '../hostile/raw-http.ts';

export interface HttpServerUnderTest extends AsyncDisposable {
  url: string;
  /** The log's text so far. */
  log: { readonly text: string };
}

/** Text that a response must not contain: stacks, files, errors of JavaScript or the database. */
const internals =
  /\n\s+at |\.ts:|node:|TypeError|RangeError|SyntaxError|Unexpected token|call stack|Invalid string length|SQLSTATE|invalid byte sequence/;

/** Tests for every service's HTTP server: slow clients, and hostile requests to paths that accept POST. */
export function httpServerContract(
  open: (environment: Environment) => Promise<HttpServerUnderTest>,
  paths: readonly string[],
): void {
  it.each(paths)('hostile requests: %s answers no 5xx, and serves on', async (path) => {
    await using server = await open({});
    const failures: string[] = [];
    const requests = hostileRequests(path);
    expect(requests.length).toBeGreaterThan(150);
    for (const [what, bytes] of requests) {
      const { statuses, text } = await sendRaw(server.url, bytes);
      if (statuses.some((status) => status >= 500)) failures.push(`${what}: answered ${statuses.join(', ')}`);
      const shown = internals.exec(text);
      if (shown) failures.push(`${what}: shows ${JSON.stringify(shown[0])} in ${JSON.stringify(text.slice(-300))}`);
    }
    expect(failures).toEqual([]);
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
    expect(server.log.text).not.toMatch(/"level":"(error|fatal)"/);
  });

  it('hostile requests: disconnects clients that send byte by byte, and serves others', async () => {
    await using server = await open({ REQUEST_TIMEOUT: '300ms' });
    const slow = Array.from({ length: 20 }, () => dripHeader(server.url));
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
    for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });
}

/** Sends an endless header, one byte every few milliseconds. Resolves with the response when the server disconnects. */
async function dripHeader(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  let answer = '';
  socket.on('data', (chunk) => {
    answer += String(chunk);
  });
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nx: ');
  const timer = setInterval(() => socket.write('x'), 10);
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(timer);
  return answer;
}
