import { pino } from 'pino';
import { createLogDestination } from './log-destination.ts';

/** The log port: structured lines. Call sites give ids, never phone numbers, codes, tokens or passwords. */
export interface Log {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log whose lines all carry `fields`. */
  child(fields: object): Log;
}

export interface LogOptions {
  /** Least level written: `fatal` to `trace`, or `silent`. */
  level: string;
  /** Name of the service, on each line. */
  service: string;
  /** Where lines go; must not throw. Default: standard error, so that standard output stays for people. */
  destination?: { write(line: string): void };
}

/** Names whose values never reach a line, at the top or one level down: a net under the call sites. */
const secrets = [
  'phoneNumber',
  'phone_number',
  'voucherCode',
  'codeVerifier',
  'token',
  'authorization',
  'password',
  'callbackSecret',
  'callbackUrl',
];

/** Makes a log that writes JSON lines with `level`, `time`, `service`, and the fields given. */
export function createLog({ level, service, destination }: LogOptions): Log {
  return pino(
    {
      level,
      base: { service },
      redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
      serializers: { error: serializeError },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? createLogDestination(),
  );
}

/** A log that drops everything. */
export const silentLog: Log = createLog({ level: 'silent', service: 'none' });

/** An error without what its message may quote of a value: database drivers put parameters into `detail`, `params` and messages. */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, retryable } = error as { code?: unknown; retryable?: unknown };
  const cause = error.cause instanceof Error ? serializeError(error.cause) : undefined;
  const quotes = 'params' in error || 'query' in error;
  return {
    type: error.name,
    ...(typeof code === 'string' && { errorCode: code }),
    ...(typeof retryable === 'boolean' && { retryable }),
    message: quotes ? 'a database query failed' : error.message,
    ...(!quotes && { stack: error.stack }),
    ...(cause && { cause }),
  };
}
