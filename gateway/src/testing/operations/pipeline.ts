import { silentLog } from '@voucher-gateway/platform/process/log';
import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import { createReloadableFederation } from '../../federation/reloadable-federation.ts';
import type { OperationsOptions } from '../../operations/operations.ts';
import { leasePlanner } from './lease-planner.ts';
import { anonymous, createTestOperations } from './operations.ts';

export interface PipelineOptions extends Partial<OperationsOptions> {
  /** The data of every response of a subgraph. */
  answer?: Record<string, unknown>;
  /** The errors of every response of a subgraph. */
  errors?: object[];
  /** Whether errors suggest names of the schema. Default: true. */
  suggestions?: boolean;
  createPlanner?: typeof leasePlanner;
}

/** Opens the pipeline for the voucher supergraph. Subgraphs return the responses that the test sets. */
export async function openTestPipeline({
  answer = {},
  errors,
  suggestions = true,
  createPlanner = leasePlanner,
  ...options
}: PipelineOptions = {}) {
  await using releases = new AsyncDisposableStack();
  const sent: unknown[] = [];
  const federation = releases.use(
    await createReloadableFederation({
      supergraphSdl: supergraphSdl(),
      suggestions,
      createPlanner,
      log: silentLog,
      dataSource: () => ({
        process: async ({ request }) => {
          sent.push(request.query);
          return { data: structuredClone(answer), ...(errors && { errors: errors as never }) };
        },
      }),
    }),
  );
  const operations = createTestOperations({ federation, ...options });
  const owned = releases.move();
  return {
    federation,
    operations,
    /** The queries that were sent to subgraphs. */
    sent,
    async run(query: string, variables: Record<string, unknown> = {}) {
      const operation = await operations.prepare({ query, variables }, anonymous);
      return operations.execute(operation, anonymous);
    },
    /** Prepares an operation. Resolves with the error if the operation is refused, else with null. */
    refusal: (query: string, variables: unknown = {}) =>
      operations.prepare({ query, variables: variables as never }, anonymous).then(
        () => null,
        (error: unknown) => error,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
