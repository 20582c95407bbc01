import { useState } from 'react';
import { type AnyVariables, createRequest, type UseQueryArgs, useClient, useQuery } from 'urql';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { useReadOnEvents } from './use-read-on-events.ts';

export interface LiveQuery<Data> {
  /**
   * The data of the last successful read with these variables. If a later read fails, the data stays, and `error` is
   * the reason why the data is not current.
   */
  data: Data | undefined;
  /**
   * The data of the previous variables, such as the previous page of a list. Set only during the first read with new
   * variables.
   */
  previous: Data | undefined;
  error: OperationError | null;
  isReading: boolean;
  /** Reads the query again. Resolves when the read has ended, even if it failed. */
  reread(): Promise<unknown>;
}

/** Reads a query, and reads it again after each event, unless paused. */
export function useLiveQuery<Data, Variables extends AnyVariables>(
  args: UseQueryArgs<Variables, Data>,
): LiveQuery<Data> {
  const { query, variables, context, pause } = args;
  const client = useClient();
  const [{ operation, fetching, stale, ...answer }] = useQuery(args);
  const { key } = createRequest(query, variables as Variables);
  // After a change of the variables, `useQuery` returns the previous answer until the new one arrives.
  const { data, error } = operation?.key === key ? answer : {};
  const [kept, setKept] = useState<{ key: number; data: Data } | null>(null);
  if (data !== undefined && (kept?.data !== data || kept.key !== key)) setKept({ key, data });
  // Uses `client.query`, because `useQuery` would abort a read that is still in progress.
  const reread = () =>
    client.query(query, variables as Variables, { ...context, requestPolicy: 'network-only' }).toPromise();
  useReadOnEvents(reread, pause);
  const isKept = kept?.key === key;
  return {
    data: data ?? (isKept ? kept.data : undefined),
    previous: isKept ? undefined : kept?.data,
    error: error ? operationErrorOf(error) : null,
    isReading: fetching || stale,
    reread,
  };
}
