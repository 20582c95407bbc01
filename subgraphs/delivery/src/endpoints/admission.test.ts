import { silentLog } from '@voucher-gateway/platform/process/log';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../attempt-result.ts';
import { testLimits } from '../testing/admission-limits.ts';
import { type AdmissionLimits, createAdmission, type Permit } from './admission.ts';
import { type Endpoint, endpointId, smsEndpointId } from './endpoint.ts';

const endpoint = (userId: string, origin: string): Endpoint => ({ id: endpointId(userId, origin), userId, origin });
/** Creates an admission for which no time passes, unless the test passes a clock. */
const admit = (limits: Partial<AdmissionLimits>, log = silentLog, now = () => 0) =>
  createAdmission({ limits: testLimits(limits), log, now });

/** Takes all permits that are available for an endpoint. */
function takeAll(admission: ReturnType<typeof createAdmission>, one: Endpoint): Permit[] {
  const permits: Permit[] = [];
  for (let permit = admission.tryAdmit(one); permit; permit = admission.tryAdmit(one)) permits.push(permit);
  return permits;
}

describe('admission', () => {
  it('admission: limits the attempts in progress per endpoint', () => {
    const admission = admit({ perEndpoint: 3 });
    const permits = takeAll(admission, endpoint('ann', 'https://one.example'));
    expect(permits).toHaveLength(3);
    expect(takeAll(admission, endpoint('ann', 'https://other.example'))).toHaveLength(3);
    permits[0]?.release(delivered(200));
    expect(takeAll(admission, endpoint('ann', 'https://one.example'))).toHaveLength(1);
  });

  it('admission: limits the attempts in progress per user, over all origins', () => {
    const admission = admit({ perUser: 4, perEndpoint: 3 });
    expect(takeAll(admission, endpoint('ann', 'https://one.example'))).toHaveLength(3);
    expect(takeAll(admission, endpoint('ann', 'https://other.example'))).toHaveLength(1);
    expect(takeAll(admission, endpoint('ben', 'https://one.example'))).toHaveLength(3);
  });

  it('admission: limits the attempts in progress per origin, over all users', () => {
    const admission = admit({ perOrigin: 4, perEndpoint: 3 });
    expect(takeAll(admission, endpoint('ann', 'https://one.example'))).toHaveLength(3);
    expect(takeAll(admission, endpoint('ben', 'https://one.example'))).toHaveLength(1);
    expect(takeAll(admission, endpoint('ben', 'https://other.example'))).toHaveLength(3);
  });

  // Regression: many users may share an origin, such as a webhook service. A few of these users with slow receivers
  // blocked all other users of the origin.
  it('admission: keeps a quarter of an origin for endpoints without a running attempt', () => {
    const admission = admit({ perOrigin: 8, perEndpoint: 4 });
    const shared = (user: string) => takeAll(admission, endpoint(user, 'https://shared.example')).length;
    expect([shared('ann'), shared('ben')]).toEqual([4, 2]);
    expect([shared('cat'), shared('dan'), shared('eve')]).toEqual([1, 1, 0]);
  });

  it('admission: limits the attempts per second of a user', () => {
    const admission = admit({ ratePerUser: 8 });
    let made = 0;
    for (let origin = 0; origin < 10; origin += 1) {
      const permit = admission.tryAdmit(endpoint('ann', `https://${origin}.example`));
      permit?.release(delivered(200));
      if (permit) made += 1;
    }
    expect(made).toBe(2);
    expect(admission.tryAdmit(endpoint('ben', 'https://1.example'))).not.toBeNull();
  });

  it('admission: keeps the last quarter for endpoints without an attempt in progress', () => {
    const admission = admit({ concurrency: 8 });
    expect(takeAll(admission, endpoint('ann', 'https://one.example'))).toHaveLength(6);
    expect(takeAll(admission, endpoint('ben', 'https://one.example'))).toHaveLength(1);
    expect(takeAll(admission, endpoint('cat', 'https://one.example'))).toHaveLength(1);
    expect(takeAll(admission, endpoint('dan', 'https://one.example'))).toHaveLength(0);
  });

  it('admission: holds back a failing endpoint, not the same origin of another user', () => {
    const log = createMemoryLog();
    const admission = admit({ breakerFailures: 3 }, log);
    const failing = endpoint('ann', 'https://one.example');
    for (let attempt = 0; attempt < 3; attempt += 1) admission.tryAdmit(failing)?.release(failed('CONNECTION_REFUSED'));
    expect(admission.tryAdmit(failing)).toBeNull();
    expect(admission.tryAdmit(endpoint('ben', 'https://one.example'))).not.toBeNull();
    expect(admission.report()).toEqual({ running: 1, endpoints: 2, broken: 1, paused: 0 });
    expect(log.text).toContain(failing.id);
    expect(log.text).not.toContain('one.example');
  });

  it('admission: pauses an endpoint that asks for it, up to the longest Retry-After', () => {
    let now = 0;
    const admission = admit({ maxRetryAfterMs: 20 }, silentLog, () => now);
    const busy = endpoint('ann', 'https://one.example');
    admission.tryAdmit(busy)?.release(failed('HTTP_ERROR', { status: 429, retryAfterMs: 3_600_000 }));
    expect(admission.tryAdmit(busy)).toBeNull();
    expect(admission.report()).toMatchObject({ paused: 1 });
    now = 20;
    expect(admission.tryAdmit(busy)).not.toBeNull();
  });

  it('admission: does not stop all SMS because some fail', () => {
    const admission = admit({ breakerFailures: 1 });
    const sms = { id: smsEndpointId, userId: null, origin: null };
    for (let attempt = 0; attempt < 5; attempt += 1) admission.tryAdmit(sms)?.release(failed('SMS_FAILED'));
    expect(admission.tryAdmit(sms)).not.toBeNull();
    expect(admission.report().broken).toBe(0);
  });

  // Regression: while the provider limited the rate, every SMS in the queue used up an attempt.
  it('admission: slows SMS down when the provider asks for it', () => {
    const admission = admit({ perEndpoint: 8 });
    const sms = { id: smsEndpointId, userId: null, origin: null };
    const permits = takeAll(admission, sms);
    expect(permits).toHaveLength(8);
    for (const permit of permits) permit.release(failed('SMS_FAILED', { providerStatus: 429, retryAfterMs: null }));
    expect(takeAll(admission, sms)).toHaveLength(1);
    admission.forget(sms.id);
    admission.tryAdmit(sms)?.release(failed('SMS_FAILED', { providerStatus: 429, retryAfterMs: 60_000 }));
    expect(admission.tryAdmit(sms)).toBeNull();
  });

  it('admission: keeps the state of a limited number of endpoints', () => {
    const admission = admit({});
    const held = admission.tryAdmit(endpoint('ann', 'https://held.example'));
    for (let origin = 0; origin < 10_100; origin += 1)
      admission.tryAdmit(endpoint(`user ${origin}`, 'https://one.example'))?.release(null);
    expect(admission.report()).toMatchObject({ running: 1, endpoints: 10_000 });
    held?.release(null);
  });

  // Regression: the state of an endpoint was kept even if a limit of its user allowed no attempt. So this state evicted
  // the states of other endpoints, with open circuit breakers.
  it('admission: endpoints that wait for a limit of their user evict none of others', () => {
    const admission = admit({ breakerFailures: 1, perUser: 1 });
    const failing = endpoint('ann', 'https://failing.example');
    admission.tryAdmit(failing)?.release(failed('TIMEOUT'));
    const held = admission.tryAdmit(endpoint('eve', 'https://held.example'));
    for (let origin = 0; origin < 10_100; origin += 1)
      expect(admission.tryAdmit(endpoint('eve', `https://${origin}.example`))).toBeNull();
    expect(admission.report()).toMatchObject({ endpoints: 2, broken: 1 });
    expect(admission.tryAdmit(failing)).toBeNull();
    held?.release(null);
  });

  it('admission: a user with attempts at many endpoints evicts only own ones', () => {
    const admission = admit({ breakerFailures: 1, ratePerUser: 1_000_000 });
    const failing = endpoint('ann', 'https://failing.example');
    admission.tryAdmit(failing)?.release(failed('TIMEOUT'));
    for (let origin = 0; origin < 10_100; origin += 1)
      admission.tryAdmit(endpoint('eve', `https://${origin}.example`))?.release(failed('TIMEOUT'));
    expect(admission.report()).toMatchObject({ endpoints: 501 });
    expect(admission.tryAdmit(failing)).toBeNull();
  });

  it('admission: is idle when all permits are released', async () => {
    const admission = admit({});
    await admission.idle();
    const permits = takeAll(admission, endpoint('ann', 'https://one.example'));
    let isIdle = false;
    const idle = admission.idle().then(() => {
      isIdle = true;
    });
    for (const permit of permits) {
      expect(isIdle).toBe(false);
      permit.release(delivered(200));
    }
    await idle;
    expect(admission.report().running).toBe(0);
  });
});
