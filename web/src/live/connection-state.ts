/** The code and reason with which a connection was closed. */
export interface Close {
  code: number;
  reason: string;
}

/** When and why a connection was lost. */
export interface Lost {
  since: number;
  closed: Close | null;
}

/** The state of the WebSocket, as the connection light shows it. */
export type Connection =
  | { phase: 'connecting' }
  /**
   * `caughtUp` counts the codes that were missed since `lost` and then received. For the first connection, `caughtUp` and
   * `lost` are null.
   */
  | { phase: 'live'; since: number; caughtUp: number | null; lost: Lost | null }
  | ({ phase: 'reconnecting' } & Lost)
  | { phase: 'closed'; closed: Close | null };

export interface ConnectionState {
  connection(): Connection;
  /** Adds a listener for changes. Returns a function that removes the listener. */
  onConnection(listener: () => void): () => void;
  /**
   * Notes that the socket is connected.
   *
   * @param isRetry whether it took more than one attempt to connect
   * @returns whether there was an earlier connection, so that events may have been missed
   */
  connected(isRetry: boolean): boolean;
  /** Notes that the connection was lost. The client reconnects. */
  lost(closed: Close | null): void;
  /**
   * Notes that a code has arrived. If the server received the code before the last reconnect, `caughtUp` is increased.
   */
  received(receivedAt: string): void;
  /** Notes that the connection has ended. The client does not reconnect. */
  end(closed: Close | null): void;
  /** Removes all listeners. */
  silence(): void;
}

/** Keeps the state of the feed's connection for the page. */
export function createConnectionState({ isResumed, now }: { isResumed: boolean; now: () => number }): ConnectionState {
  const listeners = new Set<() => void>();
  let connection: Connection = { phase: 'connecting' };
  let connectedBefore = isResumed;
  const change = (next: Connection) => {
    connection = next;
    for (const listener of listeners) listener();
  };
  return {
    connection: () => connection,
    onConnection(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    connected(isRetry) {
      const wasConnected = connectedBefore;
      const lost = connection.phase === 'reconnecting' ? { since: connection.since, closed: connection.closed } : null;
      change({ phase: 'live', since: now(), caughtUp: isRetry || wasConnected ? 0 : null, lost });
      connectedBefore = true;
      return wasConnected;
    },
    lost(closed) {
      if (connection.phase === 'closed') return;
      const since = connection.phase === 'reconnecting' ? connection.since : now();
      change({ phase: 'reconnecting', since, closed });
    },
    received(receivedAt) {
      if (connection.phase !== 'live' || connection.caughtUp === null) return;
      if (Date.parse(receivedAt) < connection.since) change({ ...connection, caughtUp: connection.caughtUp + 1 });
    },
    end: (closed) => change({ phase: 'closed', closed }),
    silence: () => listeners.clear(),
  };
}
