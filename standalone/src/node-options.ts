/**
 * Options of Node for every process of the product. `scripts/run.js` starts processes with these options, as does all
 * code that spawns a process.
 *
 * - Semi-space of 16 MiB. With a smaller semi-space, queued strings would be promoted to the old generation. Garbage
 *   collections of the old generation delay all requests. With a larger semi-space, a connection would use more than 15
 *   KiB, which is the limit in the benchmark `subscriptions`.
 * - V8 pool size 0: Node chooses the number of V8's threads by the number of cores. On a single core, the default of
 *   four threads would compete with the main thread.
 */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=16', '--v8-pool-size=0'];
