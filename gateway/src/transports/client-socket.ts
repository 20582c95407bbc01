import type { Log } from '@voucher-gateway/platform/process/log';
import { type RawData, WebSocket } from 'ws';
import { encodeWithinLimit, oversizedBytes, type SendBudget, type SlowConsumer } from './backpressure.ts';
import { closeCodes, closeSocket } from './close-socket.ts';

/** Limits of the bytes that are buffered for clients. */
export interface SendLimits {
  /** Limit of the buffered bytes per connection. A connection that exceeds it is closed with 1013. */
  maxBufferedBytes: number;
  /** Limits the total of bytes that are buffered for all clients. */
  budget: SendBudget;
  log: Log;
}

/** Handles the messages of a socket. */
export interface SocketHandler {
  receive(data: RawData): void;
  /** Called once the socket is closed. */
  release(): void;
}

/**
 * A client's socket. To save memory, all sockets share the same listener functions. The state of the listeners is in
 * this object.
 *
 * Messages are written immediately, and the bytes that a slow consumer has not read yet are counted. The socket is not
 * read while more than half of the limit is buffered, or while an operation of the client waits in a queue. A client
 * that reads nothing does not answer pings either, so the keep-alive terminates its socket.
 */
export class ClientSocket extends WebSocket implements SlowConsumer {
  /** Handles the socket's messages; null if the connection was rejected. */
  connection: SocketHandler | null = null;
  /** True from a ping until its pong. */
  awaitsPong = false;
  limits: SendLimits | null = null;
  /** Size of a buffered text that alone exceeds the buffer limit; 0 if there is none. */
  #oversizedBytes = 0;
  /** Number of the socket's operations that wait in a queue. While it is above 0, the socket is not read. */
  #readingPauses = 0;
  /** True while `#noteWaiting` waits for a flush. After the flush, `#noteWaiting` updates the budget. */
  #isWatched = false;

  /** Sends a text, or closes the socket with 1013 if too many bytes are already buffered. Never throws. */
  sendText(text: string): void {
    if (this.readyState !== this.OPEN || !this.limits) return;
    const { maxBufferedBytes } = this.limits;
    const bufferedBytes = this.bufferedAmount;
    const encoded = encodeWithinLimit(text, bufferedBytes, maxBufferedBytes + this.#oversizedBytes);
    if (encoded === null) this.#closeAsTooSlow(bufferedBytes);
    else {
      if (bufferedBytes === 0) this.#oversizedBytes = oversizedBytes(encoded, maxBufferedBytes);
      this.send(encoded, { binary: false });
    }
    if (this.bufferedAmount > 0) this.#noteWaiting();
  }

  /** Resolves once everything sent so far has left this process, or the socket is closed. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.readyState !== this.OPEN || this.bufferedAmount === 0) return resolve();
      // Frames are written in order: when the ping is flushed, so is everything before it.
      this.ping('', false, () => resolve());
    });
  }

  /**
   * Pauses reading from the client while one of its operations waits in a queue. Returns the function that ends the
   * pause.
   */
  pauseReading(): () => void {
    this.#readingPauses += 1;
    this.#pauseOrResume();
    return () => {
      this.#readingPauses -= 1;
      this.#pauseOrResume();
    };
  }

  /** True while reading is paused for an operation. A paused socket can't receive a pong. */
  get isReadingPaused(): boolean {
    return this.#readingPauses > 0;
  }

  drop(): void {
    const { maxBufferedBytes = 0, log } = this.limits ?? {};
    const bufferedBytes = this.bufferedAmount;
    if (this.readyState === this.OPEN && bufferedBytes <= maxBufferedBytes) {
      this.#closeAsTooSlow(bufferedBytes);
      return;
    }
    log?.info({ bufferedBytes }, 'a slow consumer is terminated');
    this.terminate();
  }

  /** Stops counting the socket's bytes in the budget. Call this method once the socket is closed. */
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
    const reads = this.#readingPauses === 0 && this.bufferedAmount <= (this.limits?.maxBufferedBytes ?? 0) / 2;
    if (reads && this.isPaused) this.resume();
    else if (!reads && !this.isPaused) this.pause();
  }

  #closeAsTooSlow(bufferedBytes: number): void {
    this.limits?.log.info({ bufferedBytes }, 'a slow consumer is closed');
    void closeSocket(this, closeCodes.tryAgainLater, 'TOO_SLOW');
  }
}
