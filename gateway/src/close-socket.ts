import type { WebSocket } from 'ws';

/** Close codes of the WebSocket protocol itself. */
export const closeCodes = { goingAway: 1001, internalError: 1011, tryAgainLater: 1013 } as const;

/** Time that a client has to answer a close, until it is cut off. */
const closeWithinMs = 1_000;

/** Bytes that the protocol allows the reason of a close (RFC 6455, 5.5); `ws` throws for more. */
const maxReasonBytes = 123;

/**
 * Closes, and cuts off who does not answer; resolves when it is closed, and never rejects.
 *
 * @param reason of any length; what is too long is cut
 */
export function closeSocket(socket: WebSocket, code: number, reason: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState === socket.CLOSED) return resolve();
    const timer = setTimeout(() => socket.terminate(), closeWithinMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    // Its answer must be read, though nothing else was for what waits.
    socket.resume();
    socket.close(code, truncateReason(reason));
  });
}

/** The reason, cut at the end of a character where it is too long: a client's own text may be in it. */
function truncateReason(reason: string): string {
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(maxReasonBytes));
  return reason.slice(0, read);
}
