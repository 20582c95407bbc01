import { composeServices } from '@apollo/composition';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { createSubgraphServer } from '@voucher-gateway/platform/graphql/subgraph-server';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { startIssuer } from '@voucher-gateway/platform/testing/tokens';
import { parse } from 'graphql';
import type { Scenario, ScenarioRequest } from './scenario.ts';

/** A scenario's subgraphs as servers. */
export interface RunningScenario extends AsyncDisposable {
  /** The supergraph, with the URLs of the subgraphs. */
  supergraphSdl: string;
  /** URL of the keys that verify the requests' tokens. */
  jwksUrl: string;
  /**
   * Sends a request to a gateway. Resolves with a description of what is wrong with the response; null if it is as
   * expected.
   */
  check(graphqlUrl: string, request: ScenarioRequest): Promise<string | null>;
}

export async function startScenario({ subgraphs, supergraphSdl: given }: Scenario): Promise<RunningScenario> {
  await using releases = new AsyncDisposableStack();
  const issuer = releases.use(await startIssuer());
  const services: { name: string; url: string; typeDefs: ReturnType<typeof parse> }[] = [];
  for (const [name, { typeDefs: text, resolvers }] of Object.entries(subgraphs)) {
    const typeDefs = parse(text);
    const schema = buildSubgraphSchema([{ typeDefs, resolvers: resolvers as never }]);
    const options = { schema, log: silentLog, host: '127.0.0.1', port: 0, engines: {}, context: async () => ({}) };
    services.push({ name, typeDefs, url: `${releases.use(await createSubgraphServer(options)).url}/graphql` });
  }
  const urls = new Map(services.map(({ name, url }) => [name, url]));
  const composed = given ? null : composeServices(services);
  const supergraphSdl =
    given?.replaceAll(/\{(\w+)\}/g, (text, name) => urls.get(name) ?? text) ?? composed?.supergraphSdl;
  if (!supergraphSdl) throw new Error(composed?.errors?.join('\n'));
  const owned = releases.move();
  return {
    supergraphSdl,
    jwksUrl: issuer.jwksUrl,
    async check(graphqlUrl, { query, variables = {}, claims, data, errors = [] }) {
      const token = claims && (await issuer.user({ claims })).token;
      const response = (await postGraphql(graphqlUrl, query, variables, token)) as Response;
      const found = (response.errors ?? []).map(({ path = [], extensions }) => `${extensions?.code} ${path.join('.')}`);
      const actual = JSON.stringify([response.data ?? null, found.sort()]);
      const expected = JSON.stringify([data, errors.map(({ code, path }) => `${code} ${path}`).sort()]);
      return actual === expected ? null : `${query}: ${actual} is not ${expected}`;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Response {
  data?: unknown;
  errors?: { path?: (string | number)[]; extensions?: { code?: string } }[];
}
