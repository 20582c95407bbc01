import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('healthcheck.js', import.meta.url));
const pretend = 'globalThis.fetch = async (url) => { console.log(url); return { ok: true }; }';

// Regression: the check always called 127.0.0.1, so that a service that listened on another address was never healthy.
it.each([
  [{}, 'http://127.0.0.1:8080/health/ready'],
  [{ HOST: '', PORT: '' }, 'http://127.0.0.1:8080/health/ready'],
  [{ HOST: '0.0.0.0', PORT: '8091' }, 'http://127.0.0.1:8091/health/ready'],
  [{ HOST: '::' }, 'http://[::1]:8080/health/ready'],
  [{ HOST: '::1' }, 'http://[::1]:8080/health/ready'],
  [{ HOST: '10.0.0.5' }, 'http://10.0.0.5:8080/health/ready'],
])('health check: with %o asks %s', async (env, url) => {
  const args = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, script];
  expect((await promisify(execFile)(process.execPath, args, { env })).stdout).toBe(`${url}\n`);
});
