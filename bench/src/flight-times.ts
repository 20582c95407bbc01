/**
 * How long events are under way, by this process's clock. An event carries in its code when it was sent, and in which
 * window of time: what comes late does not count for the window after.
 */
export interface FlightTimes {
  /** Begins a window; what was sent before does not count any more. */
  begin(): void;
  /** The code of an event that is sent now. */
  stamp(): string;
  /** Takes the code of an event that has come. */
  arrived(code: string): void;
  /** Of the window's events that have come, in milliseconds. */
  readonly timesMs: readonly number[];
}

export function createFlightTimes(): FlightTimes {
  let window = 0;
  let timesMs: number[] = [];
  return {
    begin() {
      window += 1;
      timesMs = [];
    },
    stamp: () => `${window}/${performance.now()}`,
    arrived(code) {
      const now = performance.now();
      const [sentIn, sentAt] = code.split('/');
      if (Number(sentIn) === window) timesMs.push(now - Number(sentAt));
    },
    get timesMs() {
      return timesMs;
    },
  };
}
