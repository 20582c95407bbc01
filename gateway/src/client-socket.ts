import type { Log } from '@voucher-gateway/platform/log';
import { WebSocket } from 'ws';
import { encodeWithin, oversizedBytes, type SendBudget, type SlowConsumer } from './backpressure.ts';
import { closeCodes, closeSocket } from './close-socket.ts';
import type { SocketConnection } from './socket-connection.ts';

/** What bounds that which waits for clients to read it. */
export interface SendLimits {
  /** Bytes that may wait on one connection; with more it is closed with 1013. */
  maxBufferedBytes: number;
  /** What may wait on all. */
  budget: SendBudget;
  log: Log;
}

/**
 * A client's socket, with what is known of it: so that the functions that listen to it are one for all sockets.
 *
 * What is sent is handed to the socket at once, and what a slow client leaves there is counted. Nothing is read from a
 * client while a good part of what may wait does, nor while one of its operations waits for its turn: it can't ask for
 * more. One that reads nothing at all answers no ping, either, and is dropped by the keep-alive.
 */
export class ClientSocket extends WebSocket implements SlowConsumer {
  /** Null for one that is rejected. */
  connection: SocketConnection | null = null;
  /** It has not answered its last ping yet. */
  isSilent = false;
  limits: SendLimits | null = null;
  /** Of the text that was sent last where nothing waited. */
  #oversizedBytes = 0;
  /** Operations of it that wait for their turn. */
  #holds = 0;
  /** The budget is told when what waits has been read. */
  #isWatched = false;

  /** Sends a text, or closes with 1013 where too much waits already. Never throws. */
  sendText(text: string): void {
    if (this.readyState !== this.OPEN || !this.limits) return;
    const { maxBufferedBytes } = this.limits;
    const bufferedBytes = this.bufferedAmount;
    const encoded = encodeWithin(text, bufferedBytes, maxBufferedBytes + this.#oversizedBytes);
    if (encoded === null) this.#closeAsTooSlow(bufferedBytes);
    else {
      if (bufferedBytes === 0) this.#oversizedBytes = oversizedBytes(encoded, maxBufferedBytes);
      this.send(encoded, { binary: false });
    }
    if (this.bufferedAmount > 0) this.#noteWaiting();
  }

  /** Resolves once what was sent so far has left this process, or the socket is closed. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.readyState !== this.OPEN || this.bufferedAmount === 0) return resolve();
      // Written behind everything else: its turn is everything's.
      this.ping('', false, () => resolve());
    });
  }

  /** Nothing more is read from the client while its operation waits for its turn; the result ends that. */
  hold(): () => void {
    this.#holds += 1;
    this.#pauseOrResume();
    return () => {
      this.#holds -= 1;
      this.#pauseOrResume();
    };
  }

  /** Whether it can't answer a ping, for nothing is read from it. */
  get isHeld(): boolean {
    return this.#holds > 0;
  }

  drop(): void {
    const { maxBufferedBytes = 0, log } = this.limits ?? {};
    const bufferedBytes = this.bufferedAmount;
    if (this.readyState === this.OPEN && bufferedBytes <= maxBufferedBytes) {
      this.#closeAsTooSlow(bufferedBytes);
      return;
    }
    log?.info({ bufferedBytes }, 'a client reads too slowly: it is cut off');
    this.terminate();
  }

  /** Lets the budget go, the socket being closed. */
  release(): void {
    this.limits?.budget.note(this, 0);
    this.limits = null;
  }

  #noteWaiting(): void {
    if (!this.limits) return;
    const { budget } = this.limits;
    const bufferedBytes = this.bufferedAmount;
    this.#pauseOrResume();
    if (bufferedBytes > 0 && !this.#isWatched && this.readyState === this.OPEN) {
      this.#isWatched = true;
      void this.flushed().then(() => {
        this.#isWatched = false;
        this.#noteWaiting();
      });
    }
    budget.note(this, bufferedBytes);
  }

  #pauseOrResume(): void {
    if (this.readyState !== this.OPEN) return;
    const reads = this.#holds === 0 && this.bufferedAmount <= (this.limits?.maxBufferedBytes ?? 0) / 2;
    if (reads && this.isPaused) this.resume();
    else if (!reads && !this.isPaused) this.pause();
  }

  #closeAsTooSlow(bufferedBytes: number): void {
    this.limits?.log.info({ bufferedBytes }, 'a client reads too slowly: it is closed');
    void closeSocket(this, closeCodes.tryAgainLater, 'TOO_SLOW');
  }
}
