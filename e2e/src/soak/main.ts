import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type FaultName, faultNames } from './faults/schedule.ts';
import { isKept, printReport } from './print-report.ts';
import { runSoak } from './run-soak.ts';

// `npm run soak -- --minutes 15 --seed 7`: see docs/reliability.md. If a promise was broken, the process exits with 1,
// and the services' log is kept.
const usage = `npm run soak -- [--minutes 15] [--seed <text>] [--rate 50] [--every 20] [--faults <name>,<name>]
    --rate is in requests per second, --every in seconds from fault to fault. Faults: ${faultNames.join(', ')}
`;

// A listener of the event `exit` kills the child processes. Without the listeners below, a signal would end this
// process without `exit`.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const exitCode = await main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  return 1;
});
// The process exits after the report, without waiting for open connections and timers.
process.exit(exitCode);

async function main(): Promise<number> {
  const options = readArguments();
  if (!options) {
    process.stderr.write(usage);
    return 2;
  }
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-soak-'));
  const logFile = join(folder, 'services.log');
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  say(`seed ${options.seed}; the services' log is ${logFile}`);
  const report = await runSoak({ ...options, folder, logFile, say });
  say(`\n${printReport(report)}`);
  if (!isKept(report)) return 1;
  await rm(folder, { recursive: true, force: true });
  return 0;
}

function readArguments() {
  const number = (text: string) => (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0 ? Number(text) : Number.NaN);
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '15' },
        seed: { type: 'string', default: String(randomInt(1_000_000)) },
        rate: { type: 'string', default: '50' },
        every: { type: 'string', default: '20' },
        faults: { type: 'string', default: faultNames.join(',') },
      },
    });
    const faults = values.faults.split(',').filter((name): name is FaultName => faultNames.includes(name as FaultName));
    const [minutes = 0, rate = 0, every = 0] = [values.minutes, values.rate, values.every].map(number);
    if (!(minutes * rate * every > 0) || faults.length !== values.faults.split(',').length) return null;
    const { seed } = values;
    return { seed, faults, durationMs: minutes * 60_000, requestsPerSecond: rate, everyMs: every * 1_000 };
  } catch {
    return null;
  }
}
