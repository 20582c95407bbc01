import type { GraphQLDataSourceProcessOptions } from '@apollo/gateway';
import type { Places } from '@voucher-gateway/platform/topics';
import { decodeCursor } from '@voucher-gateway/schema/cursor';
import { type FragmentDefinitionNode, GraphQLError, type GraphQLFormattedError, Kind, print } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation } from '../federation.ts';
import { type TopicSubscription, usedVariables } from './prepare.ts';
import type { ReplayField } from './topic-directive.ts';
import type { Value } from './topic-window.ts';

/** What is stored behind a cursor: one page of it. */
export interface ReplayPage {
  /** Where the store had consumed the topic, by partition, before it read the rows. */
  storedThrough: Places;
  edges: ReplayedEdge[];
  hasNextPage: boolean;
  endCursor: string | null;
}

/**
 * Reads a page of what is stored behind a cursor.
 *
 * @param first rows at most. Default: 100
 * @throws GraphQLError with the subgraph's code, such as CURSOR_INVALID or SUBGRAPH_UNAVAILABLE
 */
export type ReadPage = (after: string, first?: number) => Promise<ReplayPage>;

export interface ReplayedEdge {
  /** Id of the message that the row was made of. */
  id: string | null;
  cursor: string;
  /** The root field's value as the subgraph would answer the primary fetch. */
  answered: unknown;
  /** The fields that arguments and `match` are compared with. */
  compared: Value;
}

const pageSize = 100;

/** The enum's value: the package exports the enum's type alone. */
const incomingOperation = 'incoming operation' as GraphQLDataSourceProcessOptions['kind'] & never;

/**
 * Makes the function that reads a page of what is stored from the connection that `@topic(replay:)`
 * names, at its subgraph, with the subscriber's identity. Each edge is selected as the primary fetch
 * selects its event.
 */
export function createReplay(
  federation: Federation,
  prepared: TopicSubscription,
  replay: ReplayField,
  key: string,
  context: GatewayContext,
): ReadPage {
  const { topicField, primary, operation } = prepared;
  const query = replayQuery(prepared, replay);
  const source = federation.dataSources[primary.subgraph];
  if (!source) throw new Error(`no data source for ${primary.subgraph}`);

  return async (after, first = pageSize) => {
    const variables: Value = { ...operation.variables, [variable('first')]: first, [variable('after')]: after };
    for (const [name] of givenArguments(prepared, replay)) {
      variables[variable(name)] = name === topicField.match ? key : prepared.arguments[name];
    }
    const { data, errors } = await source.process({
      kind: incomingOperation,
      request: { query, variables },
      incomingRequestContext: { context } as never,
      context,
    });
    const error = (errors as GraphQLFormattedError[] | undefined)?.[0];
    if (error) throw new GraphQLError(error.message, { extensions: error.extensions });
    const connection = (data as Record<string, Connection | null> | undefined)?.[replay.field];
    if (!connection)
      throw new GraphQLError('What is stored can not be read.', { extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' } });
    return {
      storedThrough: Object.fromEntries(
        (connection.storedThrough ?? [])
          .filter((at) => at.topic === topicField.topic)
          .map(({ partition, position, publishedAt }) => [
            partition,
            { position: Number(position), publishedAt: publishedAt ? Date.parse(publishedAt) : undefined },
          ]),
      ),
      edges: connection.edges.map((edge) => ({
        id: decodeCursor(edge.replay_cursor)?.id ?? null,
        cursor: edge.replay_cursor,
        answered: topicField.isEdge ? edge : edge.replay_answer,
        compared: edge.replay_node,
      })),
      hasNextPage: connection.pageInfo.hasNextPage,
      endCursor: connection.pageInfo.endCursor,
    };
  };
}

interface Connection {
  edges: { replay_cursor: string; replay_answer?: unknown; replay_node: Value }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
  storedThrough?: { topic: string; partition: number; position: string; publishedAt?: string | null }[];
}

const variable = (argument: string) => `replay_${argument}`;

/** The connection's arguments that the gateway fills besides `first` and `after`, with their types. */
function givenArguments(
  { topicField, arguments: given }: TopicSubscription,
  replay: ReplayField,
): [name: string, type: string][] {
  return [...replay.arguments].filter(
    ([name]) => name !== 'first' && name !== 'after' && (name === topicField.match || (given[name] ?? null) !== null),
  );
}

function replayQuery(prepared: TopicSubscription, replay: ReplayField): string {
  const { primary, topicField } = prepared;
  const selections = primary.field.selectionSet?.selections.map((node) => print(node)).join('\n') ?? '';
  const fragments = primary.document.definitions.filter(
    (node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION,
  );
  const filled: [string, string][] = [
    ['first', replay.arguments.get('first') ?? 'Int'],
    ['after', replay.arguments.get('after') ?? 'String'],
    ...givenArguments(prepared, replay),
  ];
  const compared = new Set([topicField.match, ...prepared.compared.map(([name]) => name)]);
  const definitions = [
    ...usedVariables(primary.document, primary.field.selectionSet, fragments).map((definition) => print(definition)),
    ...filled.map(([name, type]) => `$${variable(name)}: ${type}`),
  ];
  return `query Replay(${definitions.join(', ')}) {
  ${replay.field}(${filled.map(([name]) => `${name}: $${variable(name)}`).join(', ')}) {
    ${replay.storedThrough.length > 0 ? `storedThrough { ${replay.storedThrough.join(' ')} }` : ''}
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
