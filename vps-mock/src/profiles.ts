/** Names of the profiles. A profile is a distribution of delays and faults. */
export const profileNames = ['fast', 'mixed', 'slow', 'late', 'silent', 'flaky'] as const;
export type ProfileName = (typeof profileNames)[number];

export const faultNames = [
  'error',
  'refuse',
  'drop',
  'hang',
  'malformed',
  'silence',
  'duplicate-callback',
  'wrong-verifier',
  'callback-before-acknowledgement',
  'plain',
] as const;
export type Fault = (typeof faultNames)[number];

/** How the provider handles one request. `delayMs` is the time from the request to the code, in milliseconds. */
export interface Behaviour {
  delayMs: number;
  fault?: Fault;
}

/**
 * Returns a profile's behaviour for one request.
 * @param random two numbers in [0, 1) drawn from seed and key
 */
export function behaviourOf(profile: ProfileName, [which, where]: readonly [number, number]): Behaviour {
  const between = (from: number, to: number) => Math.round(from + where * (to - from));
  switch (profile) {
    case 'fast':
      return { delayMs: between(0, 500) };
    case 'slow':
      return { delayMs: between(5_000, 25_000) };
    case 'late':
      return { delayMs: between(31_000, 40_000) };
    case 'silent':
      return { delayMs: 0, fault: 'silence' };
    case 'mixed':
      if (which < 0.6) return { delayMs: between(100, 2_900) };
      if (which < 0.95) return { delayMs: between(3_100, 25_000) };
      return { delayMs: between(31_000, 40_000) };
    case 'flaky':
      // A retry may get another result, because the result depends on key and attempt.
      if (which < 0.15) return { delayMs: 0, fault: 'error' };
      if (which < 0.25) return { delayMs: 0, fault: 'drop' };
      if (which < 0.3) return { delayMs: 0, fault: 'malformed' };
      return behaviourOf('mixed', [(which - 0.3) / 0.7, where]);
  }
}
