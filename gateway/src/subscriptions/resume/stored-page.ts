import { isCodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Positions } from '@voucher-gateway/platform/topics';
import { decodeCursor } from '@voucher-gateway/schema/cursor';
import { type FragmentDefinitionNode, GraphQLError, Kind, print } from 'graphql';
import type { GatewayContext } from '../../context.ts';
import type { SubgraphResponse } from '../../execution/subgraph/subgraph-response.ts';
import { type TopicSubscription, usedVariables } from '../plan/plan-subscription.ts';
import type { ReplayField } from '../plan/topic-directive.ts';
import type { Value } from '../topic/message.ts';
import { invalidPage, unreadablePage } from './stored-page-errors.ts';

/** One page of stored events after a cursor. */
export interface StoredPage {
  /** The subscription's plan at the time when the rows were read. A reload may have replaced the plan since. */
  planned: TopicSubscription;
  /**
   * For each partition, the position up to which the store had consumed the topic. The store determines the positions
   * before it reads the rows.
   */
  storedThrough: Positions;
  edges: StoredEdge[];
  hasNextPage: boolean;
  endCursor: string | null;
}

/**
 * Reads a page of stored events after a cursor.
 *
 * @param first maximum number of rows. Default: 100
 * @throws GraphQLError with the subgraph's code if it is public, such as CURSOR_INVALID; else a retryable CodedError
 *   SUBGRAPH_UNAVAILABLE or SUBGRAPH_INVALID_RESPONSE
 */
export type ReadStoredPage = (after: string, first?: number) => Promise<StoredPage>;

export interface StoredEdge {
  /** Id of the message from which the row was stored. */
  id: string | null;
  cursor: string;
  /** The root field's data, as in a response to the primary fetch. */
  data: unknown;
  /** The row's fields that `matchesSubscriber` compares with the subscriber's claim and arguments. */
  compared: Value;
}

const pageSize = 100;

export interface StoredPageReaderOptions {
  planned: TopicSubscription;
  replay: ReplayField;
  /** Value of the subscriber's claim. */
  claimValue: string;
  context: GatewayContext;
  log: Log;
}

/**
 * Creates the function that reads stored pages, with the subscriber's identity. The pages come from the Query field
 * named by `@topic(replay:)`. The query selects the same fields of each node as the plan's primary fetch.
 */
export function createStoredPageReader({
  planned,
  replay,
  claimValue,
  context,
  log,
}: StoredPageReaderOptions): ReadStoredPage {
  const { topicField, primary, operation } = planned;
  const { subgraph } = primary;
  const query = storedPageQuery(planned, replay);
  const source = operation.federation.subgraphs[subgraph];
  if (!source) throw new Error(`no subgraph ${subgraph}`);

  return async (after, first = pageSize) => {
    const variables: Value = { ...operation.variables, [variable('first')]: first, [variable('after')]: after };
    for (const [name] of filledArguments(planned, replay)) {
      variables[variable(name)] = name === topicField.match ? claimValue : planned.arguments[name];
    }
    const request = { query, operationName: undefined, body: JSON.stringify({ query, variables }) };
    const { data, errors } = await source.send(request, context).catch(asFailedResponse);
    const error = errors?.[0];
    if (error) {
      const failure = unreadablePage(error, planned.arguments);
      if (isCodedError(failure)) log.warn({ subgraph, error: failure }, 'a subgraph could not read a stored page');
      throw failure;
    }
    try {
      return readConnection(
        (data as unknown as Record<string, Connection>)[replay.field] as Connection,
        planned,
        after,
      );
    } catch (cause) {
      log.warn({ subgraph, error: cause }, 'a subgraph returned an invalid stored page');
      throw invalidPage(cause);
    }
  };
}

/**
 * Converts the GraphQL error of a failed request to a response. Any other error, such as a cancellation, is thrown
 * again.
 */
function asFailedResponse(error: unknown): SubgraphResponse {
  if (error instanceof GraphQLError) return { errors: [error] };
  throw error;
}

/**
 * Reads the page from a response. Throws if the page is invalid, or if more pages follow but the cursor does not
 * advance.
 */
function readConnection(connection: Connection, planned: TopicSubscription, after: string): StoredPage {
  const { topicField } = planned;
  const { edges, pageInfo, storedThrough } = connection;
  const { hasNextPage, endCursor } = pageInfo;
  if (hasNextPage && (endCursor === null || endCursor === after))
    throw new Error('the page does not advance its cursor');
  return {
    planned,
    storedThrough: Object.fromEntries(
      (storedThrough ?? [])
        .filter((at) => at.topic === topicField.topic)
        .map(({ partition, position }) => [partition, readPosition(position)]),
    ),
    edges: edges.map((edge) => ({
      id: decodeCursor(edge.replay_cursor)?.id ?? null,
      cursor: edge.replay_cursor,
      data: topicField.isEdge ? edge : edge.replay_answer,
      compared: edge.replay_node,
    })),
    hasNextPage,
    endCursor,
  };
}

function readPosition(text: string): number {
  const position = Number(text);
  if (!Number.isSafeInteger(position) || position < 0) throw new Error('a stored position is no whole number');
  return position;
}

interface Connection {
  edges: { replay_cursor: string; replay_answer?: unknown; replay_node: Value }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
  storedThrough?: { topic: string; partition: number; position: string }[];
}

const variable = (argument: string) => `replay_${argument}`;

/**
 * Returns the names and types of the arguments that the gateway passes to the connection besides `first` and `after`.
 */
function filledArguments(
  { topicField, arguments: args }: TopicSubscription,
  replay: ReplayField,
): [name: string, type: string][] {
  return [...replay.arguments].filter(
    ([name]) => name !== 'first' && name !== 'after' && (name === topicField.match || (args[name] ?? null) !== null),
  );
}

function storedPageQuery(planned: TopicSubscription, replay: ReplayField): string {
  const { primary, topicField } = planned;
  const selections = primary.field.selectionSet?.selections.map((node) => print(node)).join('\n') ?? '';
  const fragments = primary.document.definitions.filter(
    (node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION,
  );
  const filled: [string, string][] = [
    ['first', replay.arguments.get('first') ?? 'Int'],
    ['after', replay.arguments.get('after') ?? 'String'],
    ...filledArguments(planned, replay),
  ];
  const compared = new Set([topicField.match, ...planned.compared.map(([name]) => name)]);
  const definitions = [
    ...usedVariables(primary.document, primary.field.selectionSet, fragments).map((definition) => print(definition)),
    ...filled.map(([name, type]) => `$${variable(name)}: ${type}`),
  ];
  return `query Replay(${definitions.join(', ')}) {
  ${replay.field}(${filled.map(([name]) => `${name}: $${variable(name)}`).join(', ')}) {
    ${replay.hasPositions ? 'storedThrough { topic partition position }' : ''}
    edges {
      ${topicField.isEdge ? selections : `replay_answer: node { ${selections} }`}
      replay_cursor: cursor
      replay_node: node { ${[...compared].join(' ')} }
    }
    pageInfo { hasNextPage endCursor }
  }
}
${fragments.map((fragment) => print(fragment)).join('\n')}`;
}
