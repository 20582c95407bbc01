import type { Log } from '@voucher-gateway/platform/process/log';
import { createFederation, type Federation, type FederationOptions } from './federation.ts';

/** A federation whose supergraph can be replaced while it serves requests. */
export interface ReloadableFederation extends AsyncDisposable {
  /** The current federation. An operation continues to use the federation with which it started. */
  readonly current: Federation;
  /**
   * Switches to another supergraph. Nothing changes if the new supergraph can't be loaded or prepared. Reloads run one
   * after another.
   *
   * @throws Error with every fault of the supergraph; errors of `prepare`
   */
  reload(supergraphSdl: string, options?: ReloadOptions): Promise<void>;
}

export interface ReloadOptions {
  /** The data sources of the next supergraph. Default: `dataSource` of the federation's options. */
  dataSource?: FederationOptions['dataSource'];
  /** Prepares everything that depends on the supergraph, such as open subscriptions. */
  prepare?(next: Federation): Promise<Preparation>;
}

/** A prepared switch to another supergraph. Disposing it before `commit` rolls it back. */
export interface Preparation extends AsyncDisposable {
  /**
   * Returns null if `commit` may be called now. A promise means that something is still being prepared, such as a
   * subscription that has just started. Await the promise, and call `pending` again.
   */
  pending(): Promise<void> | null;
  /** Switches to the next supergraph synchronously. Must not throw. */
  commit(): void;
  /** Closes the resources that only the earlier supergraph used. */
  finish(): Promise<void>;
}

export interface ReloadableFederationOptions extends FederationOptions {
  /**
   * How long the data sources of an earlier supergraph stay open. Operations that are already planned may still need
   * these data sources. Default: 30 s.
   */
  retireAfterMs?: number;
  log: Log;
}

export async function createReloadableFederation(options: ReloadableFederationOptions): Promise<ReloadableFederation> {
  const { retireAfterMs = 30_000, log } = options;
  let current = await createFederation(options);
  /** Earlier federations that operations may still use, with the timers that close them. */
  const retiring = new Map<Federation, NodeJS.Timeout>();
  let reloading: Promise<unknown> = Promise.resolve();

  const retire = async (federation: Federation) => {
    const dispose = async () => {
      retiring.delete(federation);
      await federation[Symbol.asyncDispose]();
    };
    const fail = (error: unknown) => log.warn({ error }, 'an earlier supergraph could not be closed');
    retiring.set(federation, setTimeout(() => dispose().catch(fail), retireAfterMs).unref());
    // The earlier planner finishes its queued requests. New requests already go to the next federation.
    await federation.planner[Symbol.asyncDispose]();
  };

  const reload = async (supergraphSdl: string, { dataSource = options.dataSource, prepare }: ReloadOptions) => {
    await using undo = new AsyncDisposableStack();
    const next = undo.use(await createFederation({ ...options, supergraphSdl, dataSource }));
    const preparation = prepare && undo.use(await prepare(next));
    for (let pending = preparation?.pending(); pending; pending = preparation?.pending()) await pending;
    undo.move();
    const before = current;
    current = next;
    preparation?.commit();
    try {
      await preparation?.finish();
      await retire(before);
    } catch (error) {
      log.error({ error }, 'another supergraph is served, and the previous one could not be closed');
    }
  };

  return {
    get current() {
      return current;
    },
    reload(supergraphSdl, reloadOptions = {}) {
      const reloaded = reloading.then(() => reload(supergraphSdl, reloadOptions));
      reloading = reloaded.catch(() => {});
      return reloaded;
    },
    async [Symbol.asyncDispose]() {
      await reloading;
      for (const timer of retiring.values()) clearTimeout(timer);
      await Promise.all([current, ...retiring.keys()].map((federation) => federation[Symbol.asyncDispose]()));
    },
  };
}
