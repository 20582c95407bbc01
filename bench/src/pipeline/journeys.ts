import { within } from '../load/steady-load.ts';

/** The two ways by which a client receives a code: the callback, and the event of its subscription. */
export type Arrival = 'calledBackAt' | 'streamedAt';

/** The times of a request's events, in milliseconds of this process's clock. */
export interface Journey extends Partial<Record<Arrival, number>> {
  acceptedAt: number;
}

export interface Journeys {
  /** Records that a request was accepted. */
  accepted(requestId: string, acceptedAt: number): void;
  /** Records that a code has arrived now. Only the first arrival counts. */
  arrived(requestId: string, arrival: Arrival): void;
  /** The accepted requests. */
  all(): Journey[];
  /** Returns the number of requests whose callback or event has not arrived. */
  undelivered(): number;
  /** Waits until all codes are delivered, up to a time limit. */
  settle(withinMs: number): Promise<boolean>;
  /** Returns the milliseconds from acceptance to arrival for each request; NaN if the code did not arrive. */
  since(arrival: Arrival): number[];
  /** Forgets all requests. */
  clear(): void;
}

export function createJourneys(): Journeys {
  const journeys = new Map<string, Journey>();
  /** Codes that arrived before the response to their request. */
  const early = new Map<string, Partial<Journey>>();
  const undelivered = () =>
    [...journeys.values()].filter(({ calledBackAt, streamedAt }) => !calledBackAt || !streamedAt).length;
  return {
    accepted(requestId, acceptedAt) {
      journeys.set(requestId, { acceptedAt, ...early.get(requestId) });
      early.delete(requestId);
    },
    arrived(requestId, arrival) {
      const journey = journeys.get(requestId);
      if (journey) journey[arrival] ??= performance.now();
      else early.set(requestId, { [arrival]: performance.now(), ...early.get(requestId) });
    },
    all: () => [...journeys.values()],
    undelivered,
    settle: (withinMs) => within(withinMs, () => undelivered() === 0),
    since: (arrival) =>
      [...journeys.values()].map((journey) => Math.max(0, (journey[arrival] ?? Number.NaN) - journey.acceptedAt)),
    clear: () => journeys.clear(),
  };
}
