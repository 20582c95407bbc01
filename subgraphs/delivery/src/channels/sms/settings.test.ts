import { readConfig } from '@voucher-gateway/platform/process/config';
import { describe, expect, it } from 'vitest';
import { deliverySettings, requireSms } from '../../config.ts';
import { smsModeOf } from './settings.ts';

const read = (environment: Record<string, string | undefined>) =>
  readConfig(deliverySettings.superRefine(requireSms), { JWKS_URL: 'http://127.0.0.1/jwks.json', ...environment });
const account = { TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`, TWILIO_AUTH_TOKEN: 'the auth token' };
const production = { NODE_ENV: 'production' };
const twilio = { ...production, ...account, SMS: 'twilio', TWILIO_FROM: '+15005550006' };

describe('SMS', () => {
  it.each([
    [{}, 'log'],
    [{ SMS: 'off' }, 'off'],
    [{ ...production, SMS: 'off' }, 'off'],
    [twilio, 'twilio'],
    [{ ...twilio, NODE_ENV: 'development' }, 'twilio'],
    [{ ...twilio, TWILIO_FROM: 'Vouchers' }, 'twilio'],
    [{ ...twilio, TWILIO_FROM: undefined, TWILIO_MESSAGING_SERVICE_SID: `MG${'0'.repeat(32)}` }, 'twilio'],
  ])('SMS: %o is sent by: %s', (environment, mode) => {
    expect(smsModeOf(read(environment))).toBe(mode);
  });

  it('SMS: production without a choice names every setting', () => {
    expect(() => read(production)).toThrow(
      /SMS is missing: .*SMS=twilio.*TWILIO_ACCOUNT_SID.*TWILIO_AUTH_TOKEN.*TWILIO_FROM.*SMS=off/,
    );
  });

  it('SMS: production refuses the simulation', () => {
    expect(() => read({ ...production, SMS: 'log' })).toThrow(/SMS must be twilio or off, as NODE_ENV is production/);
  });

  it('SMS: twilio names all that it lacks', () => {
    expect(() => read({ SMS: 'twilio' })).toThrow(/TWILIO_ACCOUNT_SID.*\n.*TWILIO_AUTH_TOKEN.*\n.*TWILIO_FROM/);
  });

  it('SMS: twilio refuses two senders, and shows no secret', () => {
    const both = () => read({ ...twilio, TWILIO_MESSAGING_SERVICE_SID: `MG${'0'.repeat(32)}` });
    expect(both).toThrow(/TWILIO_FROM contradicts TWILIO_MESSAGING_SERVICE_SID/);
    expect(both).not.toThrow(/the auth token/);
  });
});
