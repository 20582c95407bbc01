import type { Log } from '@voucher-gateway/platform/log';
import { createFederation, type Federation, type FederationOptions } from './federation.ts';

/** A federation whose supergraph can be replaced while it serves. */
export interface ReloadableFederation extends AsyncDisposable {
  /** The one that is served now. What runs by an earlier one keeps it. */
  readonly current: Federation;
  /**
   * Serves another supergraph. One that does not load, or can't be prepared for, changes nothing. One reload follows
   * the other.
   *
   * @throws Error with every fault of the supergraph, and what `prepare` throws
   */
  reload(supergraphSdl: string, options?: ReloadOptions): Promise<void>;
}

export interface ReloadOptions {
  /** The data sources of the next supergraph. Default: those of the present one. */
  dataSource?: FederationOptions['dataSource'];
  /** Makes ready what depends on the supergraph. */
  prepare?(next: Federation): Promise<Preparation>;
}

/** What depends on the supergraph, ready for another one. Disposing it before `commit` undoes it. */
export interface Preparation extends AsyncDisposable {
  /** What to wait for before `commit`, for things have changed since; null when all is ready. */
  pending(): Promise<void> | null;
  /** Switches to the next supergraph, in one step. It must not throw. */
  commit(): void;
  /** Ends and closes what is of the earlier supergraph alone. */
  finish(): Promise<void>;
}

export interface ReloadableFederationOptions extends FederationOptions {
  /**
   * Data sources of an earlier supergraph are kept for this long, for operations that are prepared and do not run yet.
   * Default: 30 s.
   */
  retireAfterMs?: number;
  log: Log;
}

export async function createReloadableFederation(options: ReloadableFederationOptions): Promise<ReloadableFederation> {
  const { retireAfterMs = 30_000, log } = options;
  let current = await createFederation(options);
  /** Earlier ones that may still be in use. */
  const retiring = new Map<Federation, NodeJS.Timeout>();
  let reloading: Promise<unknown> = Promise.resolve();

  const retire = async (federation: Federation) => {
    const dispose = async () => {
      retiring.delete(federation);
      await federation[Symbol.asyncDispose]();
    };
    const fail = (error: unknown) => log.warn({ error }, 'what was of an earlier supergraph could not be closed');
    retiring.set(federation, setTimeout(() => dispose().catch(fail), retireAfterMs).unref());
    // It answers what it has been asked to plan, and nobody asks it any more.
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
      log.error({ error }, 'another supergraph is served, and something of the one before could not be ended');
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
