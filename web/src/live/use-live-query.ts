import { useState } from 'react';
import { type AnyVariables, createRequest, type UseQueryArgs, useClient, useQuery } from 'urql';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { useReadOnEvents } from './use-read-on-events.ts';

export interface LiveQuery<Data> {
  /** What was read last with these variables. It stays when a later read fails: `error` then says why it is not current. */
  data: Data | undefined;
  /** What was read with other variables, until these are read: the page before the one that is being read. */
  previous: Data | undefined;
  error: OperationError | null;
  isReading: boolean;
  /** Reads again; resolves when that has ended, also if it failed. */
  reread(): Promise<unknown>;
}

/** Reads a query, and again after each event, unless paused. */
export function useLiveQuery<Data, Variables extends AnyVariables>(
  args: UseQueryArgs<Variables, Data>,
): LiveQuery<Data> {
  const { query, variables, context, pause } = args;
  const client = useClient();
  const [{ operation, fetching, stale, ...answer }] = useQuery(args);
  const { key } = createRequest(query, variables as Variables);
  // Until these variables are read, the answer is that of the variables before.
  const { data, error } = operation?.key === key ? answer : {};
  const [kept, setKept] = useState<{ key: number; data: Data } | null>(null);
  if (data !== undefined && (kept?.data !== data || kept.key !== key)) setKept({ key, data });
  // Not by `useQuery`: that aborts the read before it.
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
