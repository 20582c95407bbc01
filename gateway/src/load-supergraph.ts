import { supergraphSdl as ownSupergraphSdl } from '@voucher-gateway/schema/sdl';
import { parse } from 'graphql';
import { subgraphNames } from './federation/subgraph-names.ts';
import { createSupergraphSource, type SupergraphSource } from './federation/supergraph-source.ts';
import { readTopicFields } from './subscriptions/plan/topic-directive.ts';
import { readSupergraph } from './supergraph/read-supergraph.ts';

/** The supergraph with which the gateway starts. */
export interface LoadedSupergraph {
  sdl: string;
  /** The source to poll for changes; null for this repository's own supergraph. */
  source: SupergraphSource | null;
  /**
   * Why the supergraph can't be served; null if it can be served. The error message consists of the setting's name and
   * this text, as in "SUPERGRAPH must be a file". If `fault` is set, `sdl` is empty.
   */
  fault: string | null;
}

/**
 * Reads and checks the supergraph that the setting SUPERGRAPH names.
 *
 * @param setting path of a file, or http(s) URL; empty or undefined for this repository's own supergraph
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

/** @throws Error whose message can be used as `LoadedSupergraph.fault` */
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
    readTopicFields(readSupergraph(sdl).schema.toGraphQLJSSchema());
  } catch (error) {
    fail("can't be served", error);
  }
}
