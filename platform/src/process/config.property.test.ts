import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { isCodedError } from '../errors.ts';
import {
  commonSettings,
  duration,
  flag,
  httpUrl,
  integer,
  oneOf,
  optionalDuration,
  optionalFlag,
  parseDurationMs,
  port,
  readConfig,
} from './config.ts';

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('', ' ', '0', '-1', '1e3', 'true'));

it('duration: parses to milliseconds', () => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]));
  fc.assert(
    fc.property(fc.nat({ max: 3_650 }), unit, (count, name) => {
      expect(parseDurationMs(`${count}${name}`)).toBe(count * units[name]);
    }),
  );
});

it('duration: is null or a whole number of milliseconds, for any text', () => {
  fc.assert(
    fc.property(fc.oneof(text, fc.stringMatching(/^[\d.]{0,30}(ms|s|m|h|d)?$/)), (written) => {
      const ms = parseDurationMs(written);
      if (ms === null) return;
      expect(Number.isSafeInteger(ms)).toBe(true);
      expect(ms).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 500, examples: [[`${'9'.repeat(400)}d`], ['1.5.5s'], ['.5s'], ['1 s'], ['0x10s'], ['١s']] },
  );
});

it('config: any environment gives valid settings, or an error with every fault', () => {
  const settings = z.object({
    ...commonSettings,
    PORT: port(8080),
    IDLE: duration('10m'),
    DELAY: optionalDuration(),
    SIZE: integer(5, { min: 1, max: 9 }),
    ON: flag(false),
    MAYBE: optionalFlag(),
    COLOUR: oneOf(['red', 'blue'], 'red'),
    TARGET_URL: httpUrl(),
  });
  const names = Object.keys(settings.shape);
  const good = fc.constantFrom(
    '1',
    '80',
    '3s',
    '25d',
    '24d',
    'true',
    'red',
    'info',
    'http://a.example',
    'https://[::1]:80/x',
  );
  const environment = fc.dictionary(fc.constantFrom(...names, 'OTHER', '__proto__'), fc.oneof(text, good), {
    maxKeys: 13,
  });
  fc.assert(
    fc.property(environment, (given) => {
      try {
        const config = readConfig(settings, given);
        expect(config.PORT).toSatisfy((value: number) => Number.isInteger(value) && value >= 0 && value <= 65_535);
        expect(config.SIZE).toSatisfy((value: number) => Number.isInteger(value) && value >= 1 && value <= 9);
        // A longer duration would make Node's timers fire immediately.
        expect(config.IDLE).toSatisfy((value: number) => value > 0 && value < 2 ** 31);
        expect(URL.canParse(config.TARGET_URL)).toBe(true);
        expect(Object.isFrozen(config)).toBe(true);
      } catch (error) {
        if (!isCodedError(error, 'CONFIG_INVALID')) throw error;
        const { variables } = error.details as { variables: string[] };
        expect(variables.length).toBeGreaterThan(0);
        for (const name of variables) {
          expect(names).toContain(name);
          expect(error.message).toContain(name);
        }
      }
    }),
    { numRuns: 300 },
  );
});
