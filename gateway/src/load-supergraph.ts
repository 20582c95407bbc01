import { Supergraph } from '@apollo/federation-internals';
import { supergraphSdl as ownSupergraphSdl } from '@voucher-gateway/schema/sdl';
import { parse } from 'graphql';
import { subgraphNames } from './subgraph-names.ts';
import { readTopicFields } from './subscriptions/topic-directive.ts';
import { createSupergraphSource, type SupergraphSource } from './supergraph-source.ts';

/** The supergraph to start with. */
export interface LoadedSupergraph {
  sdl: string;
  /** Where it is read again; null for this repository's own. */
  source: SupergraphSource | null;
  /** Why it can't be served, as what follows `SUPERGRAPH`; null when it can. `sdl` is then one without subgraphs. */
  fault: string | null;
}

/**
 * Reads the supergraph that the setting names, and checks it.
 *
 * @param setting a file's path or an http(s) URL; without it, or empty: this repository's own supergraph
 */
export async function loadSupergraph(setting: string | undefined): Promise<LoadedSupergraph> {
  if (!setting?.trim()) return { sdl: ownSupergraphSdl(), source: null, fault: null };
  const source = createSupergraphSource(setting.trim());
  try {
    const sdl = (await source.read({ isForced: true })) ?? '';
    checkSupergraph(sdl);
    return { sdl, source, fault: null };
  } catch (error) {
    return { sdl: '', source, fault: (error as Error).message };
  }
}

/** @throws Error that says what is wrong with it, as what follows its name */
function checkSupergraph(sdl: string): void {
  const fail = (what: string, error?: unknown) => {
    throw new Error(error instanceof Error ? `${what}: ${error.message}` : what, { cause: error });
  };
  try {
    parse(sdl, { noLocation: true });
  } catch (error) {
    fail('is no GraphQL schema', error);
  }
  if (subgraphNames(sdl).length === 0) fail('is no supergraph: it names no subgraphs, so compose them first');
  try {
    readTopicFields(Supergraph.build(sdl).schema.toGraphQLJSSchema());
  } catch (error) {
    fail("can't be served", error);
  }
}
