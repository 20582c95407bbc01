import type { GatewayInterface } from '@apollo/server-gateway-interface';
import { createFederation, type Federation, type FederationOptions } from './federation.ts';

/** A federation whose supergraph can be replaced while it serves. */
export interface ReloadableFederation extends Federation {
  /**
   * Takes another supergraph: operations from now on are those of the new one, what runs ends by the old one. One
   * that does not load, or that `check` throws on, changes nothing.
   *
   * @throws Error with every fault of the supergraph
   */
  reload(supergraphSdl: string, check?: (next: Federation) => Promise<void>): Promise<void>;
}

/** Loads a supergraph that may be replaced. A subgraph of the same name keeps its data source. */
export async function createReloadableFederation({
  supergraphSdl,
  dataSource,
  log,
}: FederationOptions): Promise<ReloadableFederation> {
  const sources = new Map<string, ReturnType<FederationOptions['dataSource']>>();
  const open = async (sdl: string) => {
    const federation = await createFederation({
      supergraphSdl: sdl,
      log,
      dataSource: (name) => {
        const source = sources.get(name) ?? dataSource(name);
        sources.set(name, source);
        return source;
      },
    });
    const { executor } = await federation.asGateway().load(nothing);
    if (!executor) throw new Error('a federation executes what it plans');
    return { federation, executor };
  };
  type SchemaListener = Parameters<GatewayInterface['onSchemaLoadOrUpdate']>[0];
  const listeners = new Set<SchemaListener>();
  let current = await open(supergraphSdl);

  return {
    asGateway: () => ({
      onSchemaLoadOrUpdate(listener) {
        listeners.add(listener);
        const stop = current.federation.asGateway().onSchemaLoadOrUpdate(listener);
        return () => {
          listeners.delete(listener);
          stop();
        };
      },
      load: async () => ({ executor: (request) => current.executor(request) }),
      stop: async () => {},
    }),
    get schema() {
      return current.federation.schema;
    },
    get supergraph() {
      return current.federation.supergraph;
    },
    get dataSources() {
      return current.federation.dataSources;
    },
    execute: (operation, context) => current.federation.execute(operation, context),
    plan: (operation) => current.federation.plan(operation),
    executePlan: (...given) => current.federation.executePlan(...given),
    async reload(sdl, check = async () => {}) {
      const next = await open(sdl);
      try {
        await check(next.federation);
      } catch (error) {
        await next.federation[Symbol.asyncDispose]();
        throw error;
      }
      const before = current;
      current = next;
      for (const listener of listeners) next.federation.asGateway().onSchemaLoadOrUpdate(listener);
      await before.federation[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: () => current.federation[Symbol.asyncDispose](),
  };
}

/** What Apollo Server tells a gateway that it loads: nothing that is needed here. */
const nothing: Parameters<GatewayInterface['load']>[0] = { apollo: {} };
