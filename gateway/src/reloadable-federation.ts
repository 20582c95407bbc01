import { createFederation, type Federation, type FederationOptions } from './federation.ts';

/** A federation whose supergraph can be replaced while it serves. */
export interface ReloadableFederation extends AsyncDisposable {
  /** The one that is served now. What runs by an earlier one keeps it. */
  readonly current: Federation;
  /**
   * Serves another supergraph. One that does not load, or can't be prepared for, changes nothing.
   *
   * @param prepare makes ready what depends on the supergraph, and returns the switch, which runs in the same step
   * @throws Error with every fault of the supergraph, and what `prepare` throws
   */
  reload(supergraphSdl: string, prepare?: (next: Federation) => Promise<() => void>): Promise<void>;
}

/** Loads a supergraph that may be replaced. A subgraph of the same name keeps its data source. */
export async function createReloadableFederation(options: FederationOptions): Promise<ReloadableFederation> {
  const sources = new Map<string, ReturnType<FederationOptions['dataSource']>>();
  const open = (supergraphSdl: string) =>
    createFederation({
      ...options,
      supergraphSdl,
      dataSource: (name) => {
        const source = sources.get(name) ?? options.dataSource(name);
        sources.set(name, source);
        return source;
      },
    });
  let current = await open(options.supergraphSdl);

  return {
    get current() {
      return current;
    },
    async reload(supergraphSdl, prepare = async () => () => {}) {
      await using releases = new AsyncDisposableStack();
      const next = releases.use(await open(supergraphSdl));
      const switchTo = await prepare(next);
      releases.move();
      const before = current;
      current = next;
      switchTo();
      await before[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: () => current[Symbol.asyncDispose](),
  };
}
