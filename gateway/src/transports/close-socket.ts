import type { WebSocket } from 'ws';

/** Close codes of the WebSocket protocol itself. */
export const closeCodes = { goingAway: 1001, internalError: 1011, tryAgainLater: 1013 } as const;

/** If a client does not answer a close frame within this time, the socket is terminated. */
const closeWithinMs = 1_000;

/** Largest close reason in bytes (RFC 6455, 5.5); `ws` throws for more. */
const maxReasonBytes = 123;

/**
 * Closes a socket, and terminates it if the client does not answer. Resolves once the socket is closed, and never
 * rejects.
 *
 * @param reason truncated to the 123 bytes that the protocol allows
 */
export function closeSocket(socket: WebSocket, code: number, reason: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState === socket.CLOSED) return resolve();
    const timer = setTimeout(() => socket.terminate(), closeWithinMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    // Reading may be paused, and must resume to get the client's close frame.
    socket.resume();
    socket.close(code, truncateReason(reason));
  });
}

/** Truncates a reason without splitting a character, because the reason may contain any text of the client. */
function truncateReason(reason: string): string {
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(maxReasonBytes));
  return reason.slice(0, read);
}
