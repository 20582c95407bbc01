/**
 * Measures the latency of events by this process's clock. The code of an event contains the time and the phase in which
 * the event was sent. An event that arrives after the end of its phase does not count.
 */
export interface FlightTimes {
  /** Starts a phase. Events of earlier phases no longer count. */
  begin(): void;
  /** Returns a voucher code that contains the phase and the current time, for an event that is sent now. */
  stamp(): string;
  /** Records the arrival of an event by its code. */
  arrived(code: string): void;
  /** Latencies of the phase's events that have arrived, in milliseconds. */
  readonly timesMs: readonly number[];
}

export function createFlightTimes(): FlightTimes {
  let phase = 0;
  let timesMs: number[] = [];
  return {
    begin() {
      phase += 1;
      timesMs = [];
    },
    stamp: () => `${phase}/${performance.now()}`,
    arrived(code) {
      const now = performance.now();
      const [sentIn, sentAt] = code.split('/');
      if (Number(sentIn) === phase) timesMs.push(now - Number(sentAt));
    },
    get timesMs() {
      return timesMs;
    },
  };
}
