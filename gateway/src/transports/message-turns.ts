import { groupAddress } from '@voucher-gateway/platform/http/client-address';
import type { LoopTurns } from '../scheduling/loop-turns.ts';
import type { ClientSocket } from './client-socket.ts';
import { closeCodes, closeSocket } from './close-socket.ts';

/**
 * Resolves when a large message may be parsed. Parsing takes up to 2 ms, so clients take turns. Reading from the client
 * pauses during the wait. If too many messages wait, closes the socket with 1013. Never rejects.
 */
export async function waitForTurn(
  bytes: number,
  clientAddress: string,
  socket: ClientSocket,
  turns: LoopTurns,
): Promise<void> {
  const requester = () => ({ name: groupAddress(clientAddress), onWait: () => socket.pauseReading() });
  try {
    await turns.enter(bytes, requester);
  } catch {
    void closeSocket(socket, closeCodes.tryAgainLater, 'SERVICE_UNAVAILABLE');
  }
}
