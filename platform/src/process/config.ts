import { existsSync } from 'node:fs';
import { z } from 'zod';
import { CodedError } from '../errors.ts';

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const maxDurationMs = 3_650 * units.d;

/**
 * Parses `500ms`, `3s`, `10m`, `12h` or `7d` to milliseconds; null for any other text, and for more than 3,650 days.
 */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) return null;
  const ms = Math.round(Number(match[1]) * units[match[2] as keyof typeof units]);
  return ms <= maxDurationMs ? ms : null;
}

/**
 * A setting such as `10m`, parsed to milliseconds. `fallback` and `max` have the same format.
 *
 * @param max default: `24d`, because Node's timers of more than 24.8 days fire immediately
 */
export function duration(fallback: string, { max = '24d' } = {}) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) => readDuration(text, { minMs: 1, max }, context));
}

/** A retention such as `7d`, of at most 3,650 days. `off` means no limit, and is parsed to `Infinity`. */
export function durationOrOff(fallback: string) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) =>
      text.trim() === 'off'
        ? Number.POSITIVE_INFINITY
        : readDuration(text, { minMs: 1, max: '3650d' }, context, ', or off'),
    );
}

/**
 * A setting such as `5s` or `0s`, in milliseconds; undefined if not set, so that the default can depend on other
 * settings.
 */
export function optionalDuration({ max = '24d' } = {}) {
  return z
    .string()
    .optional()
    .transform((text, context) => (text === undefined ? undefined : readDuration(text, { minMs: 0, max }, context)));
}

function readDuration(
  text: string,
  { minMs, max }: { minMs: number; max: string },
  context: z.RefinementCtx,
  orElse = '',
): number {
  const ms = parseDurationMs(text);
  if (ms !== null && ms >= minMs && ms <= (parseDurationMs(max) ?? 0)) return ms;
  context.addIssue({
    code: 'custom',
    message: `must be a duration such as 500ms, 3s, 10m or 12h, of at most ${max}${orElse}`,
  });
  return z.NEVER;
}

/** Splits a comma-separated setting. Removes surrounding spaces and empty items. */
export function listItems(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

/** A TCP port from 0 to 65535, where 0 means any free port. */
export function port(fallback: number) {
  return integer(fallback, { min: 0, max: 65_535, what: 'a port, 0 to 65535' });
}

export function integer(fallback: number, bounds: { min: number; max: number; what?: string }) {
  return z
    .string()
    .default(String(fallback))
    .transform((text, context) => readInteger(text, bounds, context));
}

/**
 * A whole number within bounds; undefined if not set, so that the default of another system applies, such as the
 * broker's.
 */
export function optionalInteger(bounds: { min: number; max: number }) {
  return z
    .string()
    .optional()
    .transform((text, context) => (text === undefined ? undefined : readInteger(text, bounds, context)));
}

function readInteger(
  text: string,
  { min, max, what = `a whole number from ${min} to ${max}` }: { min: number; max: number; what?: string },
  context: z.RefinementCtx,
): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  context.addIssue({ code: 'custom', message: `must be ${what}` });
  return z.NEVER;
}

/** A limit that may be turned off: a whole number within bounds, or `off`, which is parsed to `Infinity`. */
export function integerOrOff(fallback: number, { min, max }: { min: number; max: number }) {
  const what = `a whole number from ${min} to ${max}, or off`;
  return z
    .string()
    .default(String(fallback))
    .transform((text, context) =>
      text.trim() === 'off' ? Number.POSITIVE_INFINITY : readInteger(text, { min, max, what }, context),
    );
}

/** `true` or `false`; undefined if not set, so that the default can depend on other settings. */
export function optionalFlag() {
  return z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .optional()
    .transform((text) => (text === undefined ? undefined : text === 'true'));
}

export function flag(fallback: boolean) {
  return z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .default(fallback ? 'true' : 'false')
    .transform((text) => text === 'true');
}

/** Whether a text is `host:port`, with a port from 1 to 65535; with `isPortOptional` also `host`. */
export function isHostAndPort(text: string, { isPortOptional = false } = {}): boolean {
  const match = /^(?:[^\s:/@[\]]+|\[[\da-f:.]+\])(?::(\d{1,5}))?$/i.exec(text);
  if (!match) return false;
  const [, port] = match;
  return port === undefined ? isPortOptional : Number(port) >= 1 && Number(port) <= 65_535;
}

/** An absolute http(s) URL, parsed without its trailing slash. */
export function httpUrl() {
  return z.string().transform((text, context) => {
    const parsed = URL.canParse(text) ? new URL(text) : null;
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      context.addIssue({ code: 'custom', message: 'must be an http:// or https:// URL' });
      return z.NEVER;
    }
    return text.replace(/\/+$/, '');
  });
}

/** A setting that must be one of several words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words, fallback: Words[number]) {
  return z.enum(words, { error: `must be one of ${words.join(', ')}` }).default(fallback as never);
}

function nodeEnv(fallback: 'development' | 'production') {
  return oneOf(['development', 'production', 'test'], fallback).describe(
    '`production` disables development conveniences',
  );
}

/** The settings of every process. Spread them into a service's own schema. */
export const commonSettings = {
  HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info').describe(
    'Lowest level of logged lines',
  ),
  NODE_ENV: nodeEnv('development'),
  REQUEST_TIMEOUT: duration('30s', { max: '1h' }).describe(
    'A request must arrive completely within this time, and its headers within 10 s',
  ),
  KEEP_ALIVE: duration('72s', { max: '24h' }).describe(
    'An HTTP connection without a request is closed after this time; must be longer than the keep-alive of the load balancer',
  ),
  SHUTDOWN_DELAY: optionalDuration({ max: '1h' }).describe(
    'After SIGTERM a service reports not ready but continues to serve for this time; by default 5s in production, else 0s',
  ),
};

/** The settings of a service that runs in a separate process, for which NODE_ENV is `production` by default. */
export const serviceSettings = { ...commonSettings, NODE_ENV: nodeEnv('production') };

export type CommonConfig = Readonly<z.output<z.ZodObject<typeof commonSettings>>>;

/**
 * Returns how long a service continues to serve after SIGTERM, in milliseconds, so that load balancers notice the stop.
 */
export function shutdownDelayMs({
  SHUTDOWN_DELAY,
  NODE_ENV,
}: Pick<CommonConfig, 'SHUTDOWN_DELAY' | 'NODE_ENV'>): number {
  return SHUTDOWN_DELAY ?? (NODE_ENV === 'production' ? 5_000 : 0);
}

export type Environment = Record<string, string | undefined>;

/** Reads the process's environment. Variables that are not set come from a file `.env` in the working directory. */
export function readEnvironment(): Environment {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

/**
 * Parses the environment once, by schema, into a frozen object.
 *
 * @param schema an object schema whose keys are variable names
 * @param environment usually `process.env`; an empty string counts as not set
 * @throws CodedError CONFIG_INVALID, naming every missing or wrong variable at once
 */
export function readConfig<Schema extends z.ZodType>(
  schema: Schema,
  environment: Environment,
): Readonly<z.output<Schema>> {
  const present = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const result = schema.safeParse(present);
  if (result.success) return Object.freeze(result.data as object) as Readonly<z.output<Schema>>;
  const faults = result.error.issues.map((issue) => {
    const name = issue.path.join('.');
    if (!name) return issue.message;
    return name in present
      ? `${name} ${issue.message} (it is ${JSON.stringify(shown(name, present[name]))})`
      : `${name} is missing: ${issue.message}`;
  });
  throw new CodedError(
    'CONFIG_INVALID',
    `The configuration is not valid:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    {
      details: { variables: result.error.issues.map((issue) => issue.path.join('.')) },
    },
  );
}

/** Returns a setting's value for an error message, without secrets. */
function shown(name: string, value: string | undefined): string {
  if (/SECRET|PASSWORD|TOKEN/.test(name)) return '…';
  return withoutPassword(value ?? '');
}

/**
 * Removes all text between the scheme and the last `@`. In a malformed URL, the password may be anywhere in that text.
 */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1…@');
}
