import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIP, isIPv6 } from 'node:net';
import { decode, encode } from 'dns-packet';

/** A name server on loopback, over UDP. Use it with `await using`. */
export interface DnsServer extends AsyncDisposable {
  /** `address:port`, for `setServers`. */
  readonly address: string;
  /** The questions so far, such as `A receiver.example.com`. */
  readonly questions: readonly string[];
  /**
   * Addresses by name. A text that is no IP address is the target of a CNAME, which is part of each response. A name
   * that is not in the map does not exist, and a name with null gets no response.
   */
  readonly addresses: Map<string, readonly string[] | null>;
  /**
   * How the server fails: it gives no response (`silent`), or responds with this code. Default: null, the server does
   * not fail.
   */
  fault: 'silent' | 'SERVFAIL' | 'REFUSED' | null;
}

/** Response codes by RFC 1035 section 4.1.1. */
const codes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };

export async function startDnsServer({ ttlSeconds = 60 } = {}): Promise<DnsServer> {
  const questions: string[] = [];
  const addresses = new Map<string, readonly string[] | null>();
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address: client }) => {
    const query = decode(message);
    const [question] = query.questions ?? [];
    if (!question) return;
    // Names are compared in lower case, because c-ares changes the case of letters at random.
    const name = question.name.toLowerCase();
    questions.push(`${question.type} ${name}`);
    const found = addresses.get(name);
    if (found === null || server.fault === 'silent') return;
    const answers = (found ?? [])
      .filter((address) => [question.type, 'CNAME'].includes(typeOf(address)))
      .map((data) => ({ type: typeOf(data), name: question.name, ttl: ttlSeconds, data }));
    const response = encode({
      type: 'response',
      id: query.id ?? 0,
      flags: codes[server.fault ?? (found ? 'NOERROR' : 'NXDOMAIN')],
      questions: [question],
      answers: server.fault === null ? answers : [],
    });
    socket.send(response, port, client);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const server: DnsServer = {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    addresses,
    fault: null,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, 'close');
    },
  };
  return server;
}

function typeOf(address: string): 'A' | 'AAAA' | 'CNAME' {
  if (isIP(address) === 0) return 'CNAME';
  return isIPv6(address) ? 'AAAA' : 'A';
}
