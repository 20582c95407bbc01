import type { Client } from '@urql/core';
import { Fragment, type ReactNode, useMemo } from 'react';
import { useSession } from './session-context.tsx';

/**
 * Gives each user a separate client and separate components, so that another user of this tab sees nothing that was
 * cached or shown. The client and components stay when the session ends, because the same user may sign in again.
 */
export function UserScope({ createClient, children }: { createClient(): Client; children(client: Client): ReactNode }) {
  const { state } = useSession();
  const userId = state.phase === 'signed-out' ? '' : state.session.userId;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another user needs a new client.
  const client = useMemo(createClient, [userId]);
  return <Fragment key={userId}>{children(client)}</Fragment>;
}
