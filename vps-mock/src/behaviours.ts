import { derive } from './derive.ts';
import { type Behaviour, behaviourOf, type Fault, type ProfileName } from './profiles.ts';

/** Limit of keys whose attempts are counted. The behaviour of a profile depends on the number of the attempt. */
const maxKeys = 100_000;
/** Default delay of the code for a fault that concerns the late callback, in milliseconds. */
const callbackFaultDelayMs = 4_000;

const callbackFaults: ReadonlySet<Fault | undefined> = new Set<Fault>([
  'duplicate-callback',
  'wrong-verifier',
  'callback-before-acknowledgement',
  'plain',
]);

/** Whether the fault concerns the late callback. With such a fault, the response never contains the code. */
export function isCallbackFault(fault: Fault | undefined): boolean {
  return callbackFaults.has(fault);
}

/**
 * Creates the function that chooses the behaviour for the next attempt of an idempotency key. An instruction (`POST
 * /control/next`) has precedence over the profile. The behaviour of a profile depends only on the seed, the key and the
 * number of earlier attempts.
 */
export function createBehaviours(profile: ProfileName, seed: string) {
  const attempts = new Map<string, number>();
  return (key: string, instruction: { delayMs?: number; fault?: Fault } | undefined): Behaviour => {
    const attempt = attempts.get(key) ?? 0;
    // The key is moved to the end, so that the first key is the least recently used.
    attempts.delete(key);
    attempts.set(key, attempt + 1);
    if (attempts.size > maxKeys) attempts.delete(attempts.keys().next().value ?? '');
    const drawn = behaviourOf(profile, derive(seed, key).random(attempt));
    if (!instruction) return drawn;
    const { fault } = instruction;
    const defaultMs = isCallbackFault(fault) ? callbackFaultDelayMs : drawn.fault ? 0 : drawn.delayMs;
    return { delayMs: instruction.delayMs ?? defaultMs, fault };
  };
}
