import type { Report } from '../report.ts';
import { burst } from './burst.ts';
import { fullLoad, warmUp } from './full-load.ts';
import { lateCodes } from './late-codes.ts';
import { lightLoad } from './light-load.ts';
import { openPipelineSystem } from './pipeline-system.ts';

/**
 * Measures the whole pipeline on PostgreSQL, Redis and Kafka, with one process per service on this machine:
 *
 * 1. Under light load: latency from acceptance to callback and to subscriber.
 * 2. Under full load: accepted requests per second.
 * 3. A burst of 1,000 requests. The provider takes 2.95 s for each code. After 3 s it would respond without a code.
 * 4. Late codes, which the provider posts at 500 per second.
 */
export async function pipeline(): Promise<Report> {
  await using system = await openPipelineSystem();
  await system.instructProvider({ delayMs: 0, times: 1_000_000 });
  await warmUp(system);
  const reports: Report[] = [];
  for (const measure of [lightLoad, fullLoad, burst, lateCodes]) reports.push(await measure(system));
  return {
    results: reports.flatMap(({ results }) => results),
    bounds: reports.flatMap(({ bounds }) => bounds),
  };
}
