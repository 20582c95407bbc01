/**
 * Options of Node for every process of the product. `scripts/run.js` starts processes with these options, as does all code
 * that spawns a process.
 *
 * - Semi-space of 16 MiB. With a smaller semi-space, strings that wait in queues are promoted to the old generation,
 *   whose collections delay all requests. With a larger semi-space, a connection takes more than 15 KiB, the bound of
 *   the benchmark `subscriptions`.
 * - V8 pool size 0: Node chooses the number of V8's threads by the number of cores. On a single core, the default of four
 *   threads would compete with the main thread.
 */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=16', '--v8-pool-size=0'];
