import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { SendBudget } from './backpressure.ts';

/**
 * Only responses of at least this many characters are counted. Smaller responses fit into the system's socket buffer.
 */
const largeAnswer = 16_384;

/**
 * Counts the bytes of large HTTP responses against the send budget until the clients have read them. While the budget
 * is exceeded, the connection with the most unread bytes is ended (`SendBudget`).
 */
export function countHttpAnswers(app: FastifyInstance, budget: SendBudget): void {
  app.addHook('onSend', (_request, { raw }, payload, done) =>
    done(null, typeof payload === 'string' ? countAnswer(raw, payload, budget) : payload),
  );
}

/**
 * Counts a response against the budget if it is large. The caller must write the returned bytes or text in the same
 * turn of the event loop.
 */
export function countAnswer(response: ServerResponse, text: string, budget: SendBudget): string | Buffer {
  if (text.length < largeAnswer) return text;
  // The number of buffered bytes is known only after the caller has written the response, so it is recorded in the next
  // turn.
  setImmediate(() => noteUntilRead(response, budget));
  // If Node can't write a string immediately, it keeps the string and three more bytes per character. A Buffer takes
  // less memory.
  return Buffer.from(text);
}

function noteUntilRead(response: ServerResponse, budget: SendBudget): void {
  if (response.writableFinished || response.destroyed) return;
  const consumer = { drop: () => void response.destroy() };
  const forget = () => budget.note(consumer, 0);
  response.once('finish', forget);
  response.once('close', forget);
  budget.note(consumer, response.writableLength);
}
