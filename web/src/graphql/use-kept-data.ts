import { useState } from 'react';

/**
 * The data of a query, or those that were read last with the same variables if a later read has failed: what a user has seen
 * stays while the connection is lost.
 *
 * @param key changes with the variables
 */
export function useKeptData<Data>(data: Data | undefined, key: string): Data | undefined {
  const [kept, setKept] = useState<{ key: string; data: Data } | null>(null);
  if (data !== undefined && (kept?.data !== data || kept.key !== key)) setKept({ key, data });
  return data ?? (kept?.key === key ? kept.data : undefined);
}
