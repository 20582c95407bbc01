import { pino } from 'pino';
import { createLogDestination } from './log-destination.ts';

/** The log: structured lines. Callers pass ids, but never phone numbers, codes, tokens or passwords. */
export interface Log {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Creates a log that adds `fields` to each line. */
  child(fields: object): Log;
}

export interface LogOptions {
  /** The lowest level that is written: `fatal` to `trace`, or `silent`. */
  level: string;
  /** Name of the service, on each line. */
  service: string;
  /** Destination of the lines; must not throw. Default: standard error, so that standard output is for people. */
  destination?: { write(line: string): void };
}

/** Names whose values are always redacted, up to one level deep, in case a call site passes them by mistake. */
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

/** Creates a log that writes JSON lines with `level`, `time`, `service`, and the call's fields. */
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

export const silentLog: Log = createLog({ level: 'silent', service: 'none' });

/** Serializes an error without the values that database drivers put into `detail`, `params` and messages. */
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
