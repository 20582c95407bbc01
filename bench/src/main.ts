import { accept } from './accept.ts';
import { backlog } from './delivery/backlog.ts';
import { delivery } from './delivery/delivery.ts';
import { endurance } from './gateway/endurance.ts';
import { gateway } from './gateway/gateway.ts';
import { hostile } from './hostile/hostile.ts';
import { outage } from './pipeline/outage.ts';
import { pipeline } from './pipeline/pipeline.ts';
import { publish, type Report } from './report.ts';
import { resume } from './resume.ts';
import { stalled } from './stalled/stalled.ts';
import { subscriptions } from './subscriptions/subscriptions.ts';

// `npm run bench -- <name>`: exits with 1 if a bound is exceeded.
const benchmarks: Record<string, () => Promise<Report>> = {
  accept,
  backlog,
  delivery,
  endurance,
  gateway,
  hostile,
  outage,
  pipeline,
  resume,
  stalled,
  subscriptions,
};
const name = process.argv[2] ?? '';
const benchmark = benchmarks[name];
if (!benchmark) {
  console.error(`Which one? npm run bench -- ${Object.keys(benchmarks).join(' | ')}`);
  process.exit(1);
}
const startedAt = new Date();
process.exit(publish(name, startedAt, await benchmark()) ? 0 : 1);
