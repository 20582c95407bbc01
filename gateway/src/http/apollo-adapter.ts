import { ApolloServer, type ApolloServerPlugin, type BaseContext, HeaderMap } from '@apollo/server';
import { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import { publicError } from '@voucher-gateway/platform/errors';
import { apolloLogger, apolloReportingDisabled } from '@voucher-gateway/platform/graphql/apollo';
import { createErrorFormatter } from '@voucher-gateway/platform/graphql/error-formatter';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { FastifyInstance } from 'fastify';
import {
  type DocumentNode,
  type ExecutionResult,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  parse,
} from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Operation, Operations } from '../operations/operations.ts';
import type { Plan } from '../planning/plan.ts';
import { InvalidDocument } from '../request/invalid-document.ts';
import type { Trace } from '../trace.ts';
import { readRetryAfter } from '../transports/retry-after.ts';
import { createAnswerTypes } from './answer-types.ts';
import { requestStatus } from './request-status.ts';

export type ApolloContext = BaseContext & GatewayContext;

export interface ApolloAdapterOptions {
  app: FastifyInstance;
  operations: Operations;
  /** Required by Apollo Server, but used neither for validation nor for execution. */
  schema: GraphQLSchema;
  log: Log;
}

/**
 * Apollo Server as an HTTP adapter: it handles methods, media types, CSRF prevention and the protocol of persisted queries.
 * Parsing, limits, validation, planning and execution are done by `operations`.
 *
 * @see https://graphql.github.io/graphql-over-http/draft/
 */
export async function createApolloAdapter(options: ApolloAdapterOptions): Promise<ApolloServer<ApolloContext>> {
  const { app, operations, schema, log } = options;
  /** For each request's context, the prepared operation or the errors of its preparation. */
  const outcomes = new WeakMap<object, Outcome>();
  const answerTypeOf = createAnswerTypes();

  const preparation: ApolloServerPlugin<ApolloContext> = {
    requestDidStart: async () => ({
      async didResolveSource({ request, source, contextValue }) {
        const sent = { ...request, query: source };
        const accept = request.http?.headers.get('accept');
        const answerType = answerTypeOf(accept);
        const statusOf = (code: string) => requestStatus(code, accept, answerType);
        // The operation's name is removed, because Apollo Server would look for it in the placeholder document
        // (`anyDocument`).
        delete request.operationName;
        try {
          const operation = await operations.prepare(sent, contextValue);
          const refusal = refuseByMethod(operation, request.http?.method);
          outcomes.set(contextValue, { prepared: refusal ?? operation, statusOf });
        } catch (error) {
          outcomes.set(contextValue, { prepared: toGraphqlErrors(error, statusOf), statusOf });
        }
      },
      async willSendResponse({ response: { body, http } }) {
        const seconds = body.kind === 'single' ? readRetryAfter(body.singleResult.errors) : null;
        if (seconds !== null) http.headers.set('retry-after', String(seconds));
      },
    }),
  };
  const execute = async (contextValue: ApolloContext): Promise<ExecutionResult> => {
    const outcome = outcomes.get(contextValue);
    if (!outcome) throw new Error('a request was not prepared');
    const { prepared, statusOf } = outcome;
    if (!('plan' in prepared)) return { errors: prepared };
    try {
      const { dataJson, errors } = await operations.execute(prepared, contextValue);
      const { trace } = contextValue;
      const extensions = trace && (await describeExecution(prepared.plan, trace));
      return { data: new JsonData(dataJson) as never, ...(errors && { errors }), ...(extensions && { extensions }) };
    } catch (error) {
      return { errors: toGraphqlErrors(error, statusOf) };
    }
  };

  const apollo = new ApolloServer<ApolloContext>({
    gateway: {
      onSchemaLoadOrUpdate(callback) {
        callback({ apiSchema: schema, coreSupergraphSdl: '' });
        return () => {};
      },
      load: async () => ({ executor: ({ context }) => execute(context as ApolloContext) as never }),
      stop: async () => {},
    },
    // The store returns a placeholder for every text, so that Apollo Server neither parses nor validates it.
    documentStore: { get: async () => anyDocument, set: async () => {}, delete: async () => {} },
    persistedQueries: {
      cache: {
        get: async (key) => operations.persistedQueries.get(key.replace(/^apq:/, '')),
        // Nothing is stored here, because `operations` stores the text of a persisted query once the text has passed
        // validation.
        set: async () => {},
        delete: async () => {},
      },
    },
    // Apollo Server always allows introspection. If introspection is turned off, `operations` refuses the query.
    introspection: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    formatError: createErrorFormatter(log),
    stringifyResult,
    plugins: [preparation, fastifyApolloDrainPlugin(app), ...apolloReportingDisabled()],
    logger: apolloLogger(log),
  });
  await apollo.start();
  return apollo;
}

interface Outcome {
  prepared: Operation | readonly GraphQLError[];
  /** Returns the HTTP status for the error code of a failed request. */
  statusOf(code: string): number;
}

/** Data of a result as JSON text. Apollo Server passes the object on without reading it. */
class JsonData {
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }

  /** `JSON.stringify` calls this method if a plugin serialises the result. */
  toJSON(): unknown {
    return JSON.parse(this.json);
  }
}

/** Writes a result in the same way as Apollo Server, with a line feed at the end. */
function stringifyResult({ data, extensions, ...rest }: FormattedExecutionResult): string {
  if (!(data instanceof JsonData))
    return `${JSON.stringify({ ...rest, ...(data !== undefined && { data }), ...(extensions && { extensions }) })}\n`;
  const others = JSON.stringify(rest).slice(1, -1);
  const after = extensions ? `,"extensions":${JSON.stringify(extensions)}` : '';
  return `{${others}${others && ','}"data":${data.json}${after}}\n`;
}

/**
 * Describes the query plan of an operation, and the operation's requests to subgraphs. A client gets the description if
 * it requests the query plan.
 */
async function describeExecution(plan: Plan, { fetches }: Trace) {
  // The package is loaded on first use, because this thread needs it only here. The planner runs in another thread.
  const { prettyFormatQueryPlan } = await import('@apollo/query-planner');
  return { fetches, queryPlan: prettyFormatQueryPlan(plan).split('\n') };
}

const anyDocument: DocumentNode = parse('{ __typename }');

/**
 * Returns errors if the HTTP method must not execute the operation, for example a mutation by GET. Returns null if the
 * operation is allowed.
 */
function refuseByMethod({ definition }: Operation, method: string | undefined): readonly GraphQLError[] | null {
  if (definition.operation === 'subscription')
    return badRequest(
      'Subscriptions are served here over WebSocket (graphql-transport-ws), as text/event-stream, and as multipart/mixed;subscriptionSpec=1.0: ask for one of them by the accept header.',
      { status: 400 },
    );
  if (method === 'GET' && definition.operation !== 'query')
    return badRequest('GET is for queries only: send a mutation by POST.', {
      status: 405,
      headers: new HeaderMap([['allow', 'POST']]),
    });
  return null;
}

function badRequest(message: string, http: object): readonly GraphQLError[] {
  return [new GraphQLError(message, { extensions: { code: 'BAD_REQUEST' satisfies PublicErrorCode, http } })];
}

/** Converts the error of a failed request to GraphQL errors, each with an HTTP status. */
function toGraphqlErrors(error: unknown, statusOf: (code: string) => number): readonly GraphQLError[] {
  const errors = error instanceof InvalidDocument ? error.errors : [toGraphqlError(error)];
  return errors.map((fault) => {
    const { message, nodes, source, positions, path, originalError, extensions } = fault;
    const status = statusOf(String(extensions.code ?? 'INTERNAL_SERVER_ERROR'));
    return new GraphQLError(message, {
      nodes,
      source,
      positions,
      path,
      originalError,
      extensions: { ...extensions, http: { status } },
    });
  });
}

/** Converts a thrown value to a GraphQL error. A coded error keeps its code; the formatter masks any other error. */
function toGraphqlError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  const coded = publicError(error);
  if (!coded) return new GraphQLError('', { originalError: error as Error });
  const { code, message, retryable, details } = coded;
  return new GraphQLError(message, {
    originalError: coded,
    extensions: { ...details, code, ...(retryable && { retryable }) },
  });
}
