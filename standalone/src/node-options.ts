/**
 * Options of Node for every process of the product. `scripts/run.js` starts a process with them; whoever spawns one itself
 * passes them.
 *
 * - Semi-space of 16 MiB. With less, texts that wait in queues are promoted to the old generation, whose collections delay
 *   all requests. With more, a connection takes more than 15 KiB.
 * - Pool size 0: Node chooses the number of V8 threads by the number of cores. The default of four competes with the main
 *   thread on a single core.
 */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=16', '--v8-pool-size=0'];
