import { spawnSync } from 'node:child_process';
import { mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Report, summarize } from './test-results.ts';

const passed = { status: 'passed', fullName: 'feed: is in order', failureMessages: [] };
const file = (name: string, ...assertionResults: Report['testResults'][0]['assertionResults']) => ({
  name: `/repository/${name}`,
  status: assertionResults.some(({ status }) => status === 'failed') ? 'failed' : 'passed',
  message: '',
  assertionResults,
});

describe('test results', () => {
  it('end with a count over all reports', () => {
    const report = { numPassedTests: 1, testResults: [file('a.test.ts', passed)] };
    expect(summarize([report, report], '/repository')).toBe('2 passed, 0 failed');
  });

  it('name each failed test with the first lines of its message', () => {
    const failed = { status: 'failed', fullName: 'feed: ends', failureMessages: ['Error: no\n\n  1\n  2\n  3\n  4'] };
    expect(summarize([{ numPassedTests: 1, testResults: [file('b/a.test.ts', passed, failed)] }], '/repository')).toBe(
      'FAILED b/a.test.ts > feed: ends\n    Error: no\n    1\n    2\n    3\n1 passed, 1 failed',
    );
  });

  it('count a file that fails outside of its tests as one failure', () => {
    const broken = { ...file('a.test.ts', passed), status: 'failed', message: 'Cannot find module' };
    expect(summarize([{ numPassedTests: 1, testResults: [broken] }], '/repository')).toBe(
      'FAILED a.test.ts\n    Cannot find module\n1 passed, 1 failed',
    );
  });

  it('count a run without a whole report as one failure', () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'test-results-'));
    const half = join(folder.path, 'half.json');
    writeFileSync(half, '{"numPassedTests": 1,');
    const script = fileURLToPath(new URL('test-results.ts', import.meta.url));
    const { stdout } = spawnSync(process.execPath, [script, half, join(folder.path, 'none.json')], {
      encoding: 'utf8',
    });
    expect(stdout).toMatch(/^FAILED .*half\.json\n.*\nFAILED .*none\.json\n.*ENOENT.*\n0 passed, 2 failed\n$/);
  });
});
