import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** The parts of a report of `vitest --reporter=json` that we use. */
export interface Report {
  numPassedTests: number;
  testResults: TestFile[];
}
interface TestFile {
  name: string;
  status: string;
  message: string;
  assertionResults: { status: string; fullName: string; failureMessages?: string[] | null }[];
}

/** Returns all failed tests with the first lines of their messages, and at the end the line `N passed, N failed`. */
export function summarize(reports: Report[], folder = process.cwd()): string {
  const failures = reports.flatMap(({ testResults }) => testResults.flatMap((file) => failuresIn(file, folder)));
  const passed = reports.reduce((sum, report) => sum + report.numPassedTests, 0);
  return [...failures, `${passed} passed, ${failures.length} failed`].join('\n');
}

function failuresIn({ name, status, message, assertionResults }: TestFile, folder: string): string[] {
  const file = relative(folder, name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  // A file can fail without a failed test: if it can't be imported, or if a hook fails.
  if (failed.length === 0) return status === 'failed' ? [`FAILED ${file}${firstLines(message)}`] : [];
  return failed.map((test) => `FAILED ${file} > ${test.fullName}${firstLines(test.failureMessages?.join('\n') ?? '')}`);
}

function firstLines(message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  return lines
    .slice(0, 4)
    .map((line) => `\n    ${line.trim().slice(0, 200)}`)
    .join('');
}

/** A run that ended before it wrote its report counts as one failure. */
function read(file: string): Report {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const message = `No report of this run: ${error}`;
    return { numPassedTests: 0, testResults: [{ name: file, status: 'failed', message, assertionResults: [] }] };
  }
}

/** `node scripts/test-results.ts REPORT...` prints the summary of a run of `.ci/run`. */
if (import.meta.main) console.log(summarize(process.argv.slice(2).map(read)));
