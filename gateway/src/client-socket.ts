import { WebSocket } from 'ws';
import type { SocketConnection } from './socket-connection.ts';

/** A client's socket, with what is known of it: so that the functions that listen to it are one for all sockets. */
export class ClientSocket extends WebSocket {
  /** Null for one that is sent away. */
  connection: SocketConnection | null = null;
  /** It has not answered its last ping yet. */
  isSilent = false;
}
