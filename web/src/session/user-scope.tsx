import type { Client } from '@urql/core';
import { type ReactNode, useMemo } from 'react';
import { useSession } from './session-context.tsx';

/** Gives each user a client of their own, so that nobody sees what is cached of another. */
export function UserScope({ createClient, children }: { createClient(): Client; children(client: Client): ReactNode }) {
  const { state } = useSession();
  const userId = state.phase === 'signed-out' ? null : state.session.userId;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the user is the reason for another client.
  const client = useMemo(createClient, [userId]);
  return children(client);
}
