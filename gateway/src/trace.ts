/**
 * A record of an execution's requests to subgraphs. A client that requests the query plan gets the record with the
 * result.
 */
export interface Trace {
  /** The requests to subgraphs, in the order of their starts. */
  readonly fetches: readonly FetchRecord[];
  /** Starts the record of a request. The returned function ends it. */
  start(subgraph: string, query: string): (failed: boolean) => void;
}

export interface FetchRecord {
  subgraph: string;
  /** The text that was sent. */
  query: string;
  /** Milliseconds from the start of the trace. */
  startedMs: number;
  /** Null while the request is in progress. */
  durationMs: number | null;
  failed: boolean;
}

export function createTrace(): Trace {
  const startedAt = performance.now();
  const fetches: FetchRecord[] = [];
  const since = (at: number) => Math.round((performance.now() - at) * 10) / 10;
  return {
    fetches,
    start(subgraph, query) {
      const at = performance.now();
      const record: FetchRecord = { subgraph, query, startedMs: since(startedAt), durationMs: null, failed: false };
      fetches.push(record);
      return (failed) => {
        record.durationMs = since(at);
        record.failed = failed;
      };
    },
  };
}
