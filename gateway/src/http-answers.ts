import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { SendBudget } from './backpressure.ts';

/** Answers of so many characters are counted: smaller ones fit into what the system buffers of a connection. */
const largeAnswer = 16_384;

/**
 * Has the answers over HTTP that wait for their clients count against the budget, until they are read. One that is
 * dropped is cut off.
 */
export function countHttpAnswers(app: FastifyInstance, budget: SendBudget): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    if (typeof payload !== 'string' || payload.length < largeAnswer) return payload;
    const { raw } = reply;
    // It is written in this turn; what is left of it waits.
    setImmediate(() => noteUntilRead(raw, budget));
    // Of a text that can't be written at once Node would hold the string, and three bytes a character beside it.
    return Buffer.from(payload);
  });
}

function noteUntilRead(response: ServerResponse, budget: SendBudget): void {
  if (response.writableFinished || response.destroyed) return;
  const consumer = { drop: () => void response.destroy() };
  const forget = () => budget.note(consumer, 0);
  response.once('finish', forget);
  response.once('close', forget);
  budget.note(consumer, response.writableLength);
}
