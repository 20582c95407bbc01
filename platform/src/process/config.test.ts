import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  commonSettings,
  duration,
  flag,
  httpUrl,
  integer,
  integerOrOff,
  oneOf,
  optionalFlag,
  parseDurationMs,
  port,
  readConfig,
  serviceSettings,
  shutdownDelayMs,
} from './config.ts';

const settings = z.object({
  ...commonSettings,
  PORT: port(8080),
  IDLE: duration('10m'),
  SIZE: integer(5, { min: 1, max: 9 }),
  ON: flag(false),
  MAYBE: optionalFlag(),
  COLOUR: oneOf(['red', 'blue'], 'red'),
  TARGET_URL: httpUrl(),
});
const target = { TARGET_URL: 'http://target.example' };

it('config: parses the environment into a frozen object with defaults', () => {
  const config = readConfig(settings, { ...target, IDLE: '1.5h', ON: 'true', OTHER: 'ignored' });
  expect(config).toEqual({
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    NODE_ENV: 'development',
    REQUEST_TIMEOUT: 30_000,
    KEEP_ALIVE: 72_000,
    SHUTDOWN_DELAY: undefined,
    PORT: 8080,
    IDLE: 5_400_000,
    SIZE: 5,
    ON: true,
    MAYBE: undefined,
    COLOUR: 'red',
    TARGET_URL: 'http://target.example',
  });
  expect(Object.isFrozen(config)).toBe(true);
});

it('config: treats an empty text as not set, and removes a URL’s trailing slash', () => {
  expect(readConfig(settings, { PORT: ' ', TARGET_URL: 'http://target.example/' })).toMatchObject({
    PORT: 8080,
    ...target,
  });
});

it('config: names every missing or wrong variable at once, with its value', () => {
  const wrong = {
    PORT: '70000',
    IDLE: 'soon',
    SIZE: '10',
    ON: 'yes',
    MAYBE: '1',
    COLOUR: 'green',
    LOG_LEVEL: 'loud',
  };
  const read = () => readConfig(settings, wrong);
  expect(read).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  for (const [name, value] of Object.entries(wrong))
    expect(read).toThrow(new RegExp(`- ${name} must .* \\(it is "${value}"\\)`));
  expect(read).toThrow('- TARGET_URL is missing');
});

it.each(['8080x', '-1', '1.5', '1e3', '0x10'])('config: rejects the port %s', (text) => {
  expect(() => readConfig(settings, { ...target, PORT: text })).toThrow('PORT must be a port, 0 to 65535');
});

it('config: shows no password of a URL, and no secret', () => {
  const secretive = z.object({ TARGET_URL: httpUrl(), API_TOKEN: z.string().min(100) });
  const read = () => readConfig(secretive, { TARGET_URL: 'ftp://user:hunter2@host', API_TOKEN: 'hunter2' });
  expect(read).toThrow('ftp://…@host');
  expect(read).not.toThrow('hunter2');
});

it.each([
  'postgres:/admin:hunter2@db/x',
  'redis:/u:hunter2@host',
  'postgres//admin:p@hunter2@db/x',
  'ftp://admin:p/hunter2@db',
  'ftp://hunter2@db',
  'hunter2@db',
])('config: shows no password of the wrong address %s', (address) => {
  const read = () => readConfig(z.object({ TARGET_URL: httpUrl() }), { TARGET_URL: address });
  expect(read).toThrow('…@');
  expect(read).not.toThrow('hunter2');
});

it('config: reads a limit that may be turned off', () => {
  const limited = z.object({ LIMIT: integerOrOff(10, { min: 1, max: 100 }) });
  const read = (LIMIT?: string) => readConfig(limited, { LIMIT }).LIMIT;
  expect([read(), read('100'), read('off')]).toEqual([10, 100, Number.POSITIVE_INFINITY]);
  for (const text of ['0', '101', 'none', '-1', '1.5'])
    expect(() => read(text)).toThrow('LIMIT must be a whole number from 1 to 100, or off');
});

it.each([
  ['500ms', 500],
  ['3s', 3_000],
  ['10m', 600_000],
  ['12h', 43_200_000],
  ['7d', 604_800_000],
  ['0.5s', 500],
  ['10', null],
  ['10 m', null],
  ['m', null],
  ['-1s', null],
])('config: reads the duration %s as %s ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

describe('NODE_ENV', () => {
  const read = (settings: typeof commonSettings | typeof serviceSettings, NODE_ENV?: string) =>
    readConfig(z.object(settings), { NODE_ENV });
  const delayOf = (settings: typeof commonSettings | typeof serviceSettings, NODE_ENV?: string) =>
    shutdownDelayMs(read(settings, NODE_ENV));

  it.each([
    ['standalone', commonSettings, 'development', 0],
    ['a service alone', serviceSettings, 'production', 5_000],
  ] as const)('is by default for %s: %s', (_what, settings, fallback, delayMs) => {
    for (const unset of [undefined, '', ' ']) {
      expect(read(settings, unset).NODE_ENV).toBe(fallback);
      expect(delayOf(settings, unset)).toBe(delayMs);
    }
    expect(delayOf(settings, 'production')).toBe(5_000);
    expect(delayOf(settings, 'test')).toBe(0);
  });

  // Regression: `prod` counted as development, and enabled the playground and callbacks to private addresses.
  it.each(['prod', 'Production', 'staging'])('rejects %s', (text) => {
    expect(() => read(serviceSettings, text)).toThrow('NODE_ENV must be one of development, production, test');
  });
});
