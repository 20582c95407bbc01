import type { SoakReport } from './run-soak.ts';

const shownOfEach = 5;

/** Whether every promise was kept. */
export const isKept = ({ checks }: SoakReport) => checks.every(({ broken }) => broken.length === 0);

/** The report as Markdown tables. */
export function printReport(report: SoakReport): string {
  const { checks, memory, repeats, schedule } = report;
  const faults = Map.groupBy(schedule, ({ fault }) => fault);
  return [
    `${report.requests} requests in ${report.loadSeconds} s, ${report.accepted} accepted, ${report.skipped} skipped because too many were pending.`,
    `The last one was settled ${report.settleSeconds} s after the load.`,
    '',
    ...table(
      ['promise', 'violation', 'checked', 'found'],
      checks.map(({ promise, title, checked, broken }) => [promise, title, checked, broken.length]),
    ),
    '',
    ...table(
      ['fault', 'times'],
      [...faults].map(([fault, times]) => [fault, times.length]),
    ),
    '',
    ...table(
      ['answers that were repeated', 'times'],
      [...repeats].toSorted(([, a], [, b]) => b - a),
    ),
    '',
    ...table(
      ['process', 'MiB once warm', 'MiB at the end', 'growth'],
      memory.map(({ name, fromMiB, toMiB, growth }) => [
        name,
        Math.round(fromMiB),
        Math.round(toMiB),
        `${Math.round(growth * 100)} %`,
      ]),
    ),
    ...checks.flatMap(({ promise, title, broken }) =>
      broken.slice(0, shownOfEach).map((what) => `${promise} ${title}: ${what}`),
    ),
    '',
  ].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
