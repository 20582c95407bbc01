import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

// Regression: no service started, because Node could not import a name from a CommonJS module. In vitest the import
// worked.
it('distributed engines: load in Node, and not only in vitest', async () => {
  const module = new URL('./distributed.ts', import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then((engines) => console.log(Object.keys(engines).includes('openDistributedEngines')))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  expect(stdout).toBe('true\n');
});
