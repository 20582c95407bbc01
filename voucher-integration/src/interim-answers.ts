import { askAgainIdOf } from './ask-again.ts';
import type { ProviderAnswer } from './provider.ts';
import { type ProviderCode, type ProviderRequest, verifies } from './state.ts';

/** An answer of the provider that does not end the request. */
export interface InterimAnswer {
  requestId: string;
  answer: Extract<ProviderAnswer, { kind: 'challenge' | 'failed' }>;
  /** When the request was sent and the answer arrived, in milliseconds since the epoch. */
  askedAtMs: number;
  atMs: number;
  /** Time until the next retry, in milliseconds; null for none. */
  delayMs: number | null;
}

export type WaitingRequest = Extract<ProviderRequest, { status: 'WAITING' }>;

/** The changes that a batch of answers causes. */
export interface AnswerChanges {
  /** The changed requests, to be stored. */
  updated: WaitingRequest[];
  /** The jobs for the next retries of these requests. */
  retries: { data: { requestId: string; attempts: number }; delayMs: number; id: string }[];
  /** Requests with a held callback whose verifier matches the challenge. The code of this callback is valid. */
  verified: { request: WaitingRequest; code: ProviderCode }[];
  /** Requests, except the verified ones, that now have their first challenge. */
  acknowledged: WaitingRequest[];
}

/** Applies answers, in their order, to requests that are WAITING. Answers to other requests are ignored. */
export function applyAnswers(requests: readonly WaitingRequest[], interims: readonly InterimAnswer[]): AnswerChanges {
  const byId = new Map(requests.map((request) => [request.requestId, request]));
  const changes: Omit<AnswerChanges, 'updated'> = { retries: [], verified: [], acknowledged: [] };
  for (const { requestId, answer, delayMs, askedAtMs, atMs } of interims) {
    const request = byId.get(requestId);
    if (!request) continue;
    const updated = {
      ...request,
      ...applyAnswer(request, answer, new Date(atMs)),
      askedAt: request.askedAt ?? new Date(askedAtMs),
    };
    byId.set(requestId, updated);
    if (delayMs !== null)
      changes.retries.push({ data: { requestId, attempts: updated.attempts }, delayMs, id: askAgainIdOf(updated) });
    const held = request.held.find(({ codeVerifier }) => verifies(codeVerifier, updated.challenges));
    if (held)
      changes.verified.push({
        request,
        code: { voucherCode: held.voucherCode, status: held.status, atMs: Date.parse(held.at) },
      });
    else if (request.challenges.length === 0 && updated.challenges.length > 0) changes.acknowledged.push(updated);
  }
  return { updated: [...byId.values()], ...changes };
}

function applyAnswer(request: WaitingRequest, answer: InterimAnswer['answer'], at: Date): Partial<WaitingRequest> {
  const attempts = request.attempts + 1;
  if (answer.kind === 'failed') return { attempts, lastError: answer.error };
  const { codeChallenge } = answer;
  const isDuplicate = request.challenges.some((challenge) => challenge.codeChallenge === codeChallenge);
  return {
    attempts,
    challenges: isDuplicate ? request.challenges : [...request.challenges, { codeChallenge, at: at.toISOString() }],
    held: [],
    lastError: null,
  };
}
