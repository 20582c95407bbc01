/** A supergraph, and requests with the responses that any gateway should give. */
export interface Scenario {
  name: string;
  /** The subgraphs, by name. Their schemas contain `@link`. */
  subgraphs: Readonly<Record<string, ScenarioSubgraph>>;
  /**
   * The text of the supergraph, in which `{name}` means the URL of a subgraph. Set only if current versions of
   * composition can't compose the supergraph from `subgraphs`.
   */
  supergraphSdl?: string;
  /** Settings of our gateway. Another gateway needs equivalent settings. */
  environment?: Readonly<Record<string, string>>;
  requests: readonly ScenarioRequest[];
}

export interface ScenarioSubgraph {
  typeDefs: string;
  resolvers: object;
}

export interface ScenarioRequest {
  query: string;
  variables?: Record<string, unknown>;
  /** Claims of the token that is sent. Default: no token. */
  claims?: Record<string, unknown>;
  data: unknown;
  /** Code and path of each error, in any order; a path has `@` for the entries of a list. Default: none. */
  errors?: readonly { code: string; path: string }[];
}

/** Returns the `@link` to federation for the subgraphs of these scenarios. */
export const federation = (...directives: string[]) =>
  `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ${JSON.stringify(directives)})\n`;
