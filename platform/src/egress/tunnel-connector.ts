import type { Duplex } from 'node:stream';
import { buildConnector, Pool } from 'undici';
import { CodedError, isCodedError } from '../errors.ts';
import { literalOf } from './host.ts';

/** Connects to servers through an HTTP proxy (CONNECT). Disposing aborts connections that are still being opened. */
export interface TunnelConnector extends AsyncDisposable {
  /**
   * The connector for undici. It fails with CodedError
   *
   * - PROXY_UNAVAILABLE, with a sentence for the log, if the proxy can't be reached or refuses our credentials. Also if
   *   the proxy has answered neither the tunnel request nor a test request to the proxy itself
   * - ADDRESS_REFUSED if the proxy has refused the tunnel with 403, TUNNEL_REFUSED if it has refused the tunnel in
   *   another way
   * - RESPONSE_EARLY if the server has sent data before the request
   */
  readonly connect: buildConnector.connector;
}

/**
 * Time limits of the phases of a connection, as fractions of `timeoutMs`:
 * - `reachPart`: connecting to the proxy
 * - `tunnelPart`: connecting to the proxy, and the tunnel request
 * - `probePart`: the test request to the proxy itself, after a failed tunnel request
 * - `secureTunnelPart`: TLS with the server, through the tunnel
 *
 * Tunnel request and test request together take less than `timeoutMs`, so that the cause of a failure is known before
 * the call ends.
 */
const reachPart = 0.25;
const tunnelPart = 0.6;
const probePart = 0.25;
const secureTunnelPart = 0.4;
const maxHeaderSize = 16_384;

/**
 * Creates a connector that uses a proxy. undici's ProxyAgent is not used, because it reconnects without end to a server
 * that speaks first, and waits 5 minutes for a silent proxy. It also does not show which phase of a connection has
 * failed.
 *
 * @param proxyUrl URL of the proxy, which may contain a user and a password
 * @param timeoutMs time-out of a call that uses a connection, in milliseconds
 */
export function createTunnelConnector({
  proxyUrl,
  timeoutMs,
}: {
  proxyUrl: string;
  timeoutMs: number;
}): TunnelConnector {
  const { origin, hostname, username, password } = new URL(proxyUrl);
  // The name for TLS with the proxy. Without it, undici would use the header `host`, which names the target server.
  const servername = literalOf(hostname) === null ? hostname : '';
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = username && { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
  const reach = buildConnector({ timeout: timeoutMs * reachPart, allowH2: false });
  const secure = buildConnector({ timeout: timeoutMs * secureTunnelPart, allowH2: false });
  const proxy = new Pool(origin, {
    maxHeaderSize,
    // With HTTP/2, all requests would wait for the first TLS handshake with the proxy.
    allowH2: false,
    connect: (options, callback) =>
      reach({ ...options, servername }, (error, socket) =>
        error ? callback(unavailable('The proxy can not be reached.', error), null) : callback(null, socket as never),
      ),
  });

  let answeredAt = Number.NEGATIVE_INFINITY;
  let probe: Promise<boolean> | null = null;

  /**
   * Whether the proxy answers a test request to the proxy itself, with any status. Concurrent calls share one request.
   */
  const canAnswer = (): Promise<boolean> => {
    probe ??= proxy
      .request({
        method: 'GET',
        path: '/',
        headers: { ...headers },
        signal: AbortSignal.timeout(timeoutMs * probePart),
      })
      .then(
        ({ body }) => {
          body.on('error', () => {}).destroy();
          return true;
        },
        () => false,
      )
      .finally(() => {
        probe = null;
      });
    return probe;
  };

  const requestTunnel = async (target: string) => {
    const startedAt = performance.now();
    const signal = AbortSignal.timeout(timeoutMs * tunnelPart);
    try {
      const request = { path: target, headers: { ...headers, host: target }, signal, servername };
      const answer = await proxy.connect(request);
      answeredAt = performance.now();
      return answer;
    } catch (error) {
      if (isCodedError(error)) throw error;
      // Some proxies close the connection, or do not answer, if they can't reach the server. A test request to the
      // proxy (`canAnswer`) shows whether the proxy itself is down.
      if (answeredAt < startedAt && !(await canAnswer())) throw unavailable('The proxy does not answer.', error);
      throw signal.aborted ? error : refused(error);
    }
  };

  const openTunnel = async (target: string): Promise<Duplex> => {
    const { statusCode, socket } = await requestTunnel(target);
    const isOpen = statusCode >= 200 && statusCode < 300;
    if (isOpen && socket.readableLength === 0) return socket;
    socket.on('error', () => {}).destroy();
    if (isOpen) throw new CodedError('RESPONSE_EARLY', 'The server has sent data before the request.');
    if (statusCode === 407) throw unavailable('The proxy refuses our credentials.');
    if (statusCode === 403) throw new CodedError('ADDRESS_REFUSED', 'The proxy refuses this address.');
    throw refused(new Error(`The proxy answered ${statusCode}.`));
  };

  return {
    connect(options, callback) {
      const { host, port, protocol } = options;
      openTunnel(port ? String(host) : `${host}:${protocol === 'https:' ? 443 : 80}`).then(
        (socket) => {
          if (protocol === 'https:') secure({ ...options, httpSocket: socket as never }, callback);
          else callback(null, socket as never);
        },
        (error: Error) => callback(error, null),
      );
    },
    [Symbol.asyncDispose]: () => proxy.destroy(),
  };
}

function unavailable(fault: string, cause?: unknown): CodedError {
  return new CodedError('PROXY_UNAVAILABLE', fault, { cause });
}

function refused(cause: unknown): CodedError {
  return new CodedError('TUNNEL_REFUSED', 'The proxy refuses the tunnel.', { cause });
}
