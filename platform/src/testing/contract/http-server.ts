import { expect, it } from 'vitest';
import { hostileRequests } from '../hostile-requests.ts';
import { sendRaw } from '../raw-http.ts';

export interface HttpServerUnderTest extends AsyncDisposable {
  url: string;
  /** All that was logged so far, where the test can see it. */
  log?: { readonly text: string };
}

/** What an answer must not show: stacks, files, JavaScript's and the database's own errors. */
const internals =
  /\n\s+at |\.ts:|node:|TypeError|RangeError|SyntaxError|Unexpected token|SQLSTATE|invalid byte sequence/;

/** What the HTTP server of every service must do with hostile requests to paths that take POST. */
export function httpServerContract(open: () => Promise<HttpServerUnderTest>, paths: readonly string[]): void {
  it.each(paths)('hostile requests: %s answers none with a 5xx, and serves on', async (path) => {
    await using server = await open();
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
    expect(server.log?.text ?? '').not.toMatch(/"level":"(error|fatal)"/);
  });
}
