import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errorCode } from '@voucher-gateway/platform/errors';
import { readBoundedText } from '@voucher-gateway/platform/http/bounded-text';
import { withoutPassword } from '@voucher-gateway/platform/process/config';

/** The source of the supergraph, which is read at start-up and for each reload. */
export interface SupergraphSource {
  /** The path, or the URL without its password. */
  readonly name: string;
  readonly isUrl: boolean;
  /**
   * Reads the supergraph. May return null if the supergraph has not changed since the last call. Never returns null
   * with `isForced`.
   *
   * @throws Error whose message lacks its subject, such as `can't be read: …`. The caller prepends the name of the
   *   source
   */
  read(options?: { isForced?: boolean; signal?: AbortSignal }): Promise<string | null>;
}

const maxBytes = 33_554_432;
/** Time-out of a fetch, including the body. */
const fetchWithinMs = 10_000;

/** Creates the source from the value of the setting SUPERGRAPH: an http(s) URL, or the path of a file. */
export function createSupergraphSource(setting: string): SupergraphSource {
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(setting)?.[1]?.toLowerCase();
  if (scheme === undefined) return createFileSource(resolve(setting));
  if (!/^https?$/.test(scheme) || !URL.canParse(setting))
    return failingSource(setting, 'must be a file or an http:// or https:// URL');
  const url = new URL(setting);
  const credentials = readCredentials(url);
  return credentials === null
    ? failingSource(setting, 'has a user or password that is not percent-encoded')
    : createUrlSource(url, credentials);
}

/** Decodes the user and password of a URL; null if their percent-encoding is invalid. */
function readCredentials({ username, password }: URL): string | null {
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    return null;
  }
}

function createFileSource(path: string): SupergraphSource {
  let seen = '';
  return {
    name: path,
    isUrl: false,
    async read({ isForced = false } = {}) {
      try {
        const { mtimeMs, size, ino } = await stat(path);
        if (size > maxBytes) throw new Error(`can't be read: ${path} has more than ${maxBytes} bytes`);
        const version = JSON.stringify([mtimeMs, size, ino]);
        if (version === seen && !isForced) return null;
        const text = await readFile(path, 'utf8');
        seen = version;
        return text;
      } catch (error) {
        const reasons: Record<string, string> = {
          ENOENT: 'is not there',
          EISDIR: 'is a folder',
          EACCES: 'is not for this user',
        };
        const code = errorCode(error);
        if (code === 'Error') throw error;
        throw new Error(`can't be read: ${path} ${reasons[code] ?? `fails with ${code}`}`, { cause: error });
      }
    },
  };
}

function createUrlSource(source: URL, credentials: string): SupergraphSource {
  const url = new URL(source);
  // `fetch` rejects a URL with credentials, so they are sent as a header.
  url.username = '';
  url.password = '';
  const authorization =
    credentials === ':' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  let etag: string | null = null;
  return {
    name: withoutPassword(source.href),
    isUrl: true,
    async read({ isForced = false, signal } = {}) {
      const timeout = AbortSignal.timeout(fetchWithinMs);
      try {
        const response = await fetch(url, {
          headers: { ...authorization, ...(etag !== null && !isForced && { 'if-none-match': etag }) },
          signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        });
        if (response.status === 304 && etag !== null) return null;
        if (!response.ok) {
          await response.body?.cancel();
          throw new Error(`can't be fetched: the answer is ${response.status}`);
        }
        const text = await readText(response);
        etag = response.headers.get('etag');
        return text;
      } catch (error) {
        if (error instanceof Error && error.message.startsWith("can't be")) throw error;
        const reason = timeout.aborted
          ? `no answer within ${fetchWithinMs / 1_000} s`
          : errorCode((error as Error).cause ?? error);
        throw new Error(`can't be fetched: ${reason}`, { cause: error });
      }
    },
  };
}

/** Reads the body. Throws if it is too large. */
async function readText({ body }: Response): Promise<string> {
  const text = body ? await readBoundedText(body, maxBytes) : '';
  if (text === null) throw new Error(`can't be fetched: the answer has more than ${maxBytes} bytes`);
  return text;
}

function failingSource(name: string, fault: string): SupergraphSource {
  return { name: withoutPassword(name), isUrl: false, read: () => Promise.reject(new Error(fault)) };
}
