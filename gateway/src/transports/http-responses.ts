import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { SendBudget } from './backpressure.ts';

/** Responses of at least this many characters are counted: smaller ones fit into the socket buffer of the system. */
const largeAnswer = 16_384;

/**
 * Counts large HTTP responses against the budget, until their clients have read them. A response that is dropped is cut
 * off.
 */
export function countHttpAnswers(app: FastifyInstance, budget: SendBudget): void {
  app.addHook('onSend', (_request, { raw }, payload, done) =>
    done(null, typeof payload === 'string' ? countAnswer(raw, payload, budget) : payload),
  );
}

/** Counts a response that is written in this turn of the event loop, if it is large. Returns what to write. */
export function countAnswer(response: ServerResponse, text: string, budget: SendBudget): string | Buffer {
  if (text.length < largeAnswer) return text;
  // Only after it is written is it known how much is still buffered.
  setImmediate(() => noteUntilRead(response, budget));
  // Node buffers a string that it can't write at once, plus three bytes per character. A Buffer takes less.
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
