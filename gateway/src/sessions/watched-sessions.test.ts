import { createTestClock } from '@voucher-gateway/platform/async/clock';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { it } from 'vitest';
import { watchSessions } from './watched-sessions.ts';

const idleMs = 600_000;

// Regression: after the clock was set back by an hour, connections stayed open for an hour after the end of their
// session.
it('watched sessions: end in time after the clock was set back', async () => {
  const timers = createTestClock();
  let setBackMs = 0;
  const clock = { now: () => timers.now() - setBackMs, setTimer: timers.setTimer };
  const storedUntilMs = timers.now() + idleMs;
  const keyValue: Pick<KeyValue, 'peek'> = {
    async peek() {
      const expiresInMs = storedUntilMs - timers.now();
      return expiresInMs > 0 ? { value: '{}', expiresInMs } : null;
    },
  };
  using sessions = watchSessions({
    keyValue: keyValue as KeyValue,
    isRevoked: () => false,
    clock,
    log: silentLog,
    idleMs,
  });
  const identity = { userId: 'ann', sid: 'session', kid: 'key', phoneNumber: '', claims: {} };
  const ended = Promise.withResolvers<void>();
  sessions.watch({ ...identity, expiresAtMs: clock.now() + 12 * 3_600_000 }, ended.resolve);
  setBackMs = 3_600_000;
  timers.advance(idleMs);
  await ended.promise;
});
