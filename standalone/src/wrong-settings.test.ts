import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { describe, expect, it } from 'vitest';
import { standaloneSettings } from './config.ts';
import { processSettings } from './settings.ts';

const engines = {
  DATABASE_URL: 'postgres://postgres@127.0.0.1:5432/bank',
  REDIS_URL: 'redis://127.0.0.1:6379',
  KAFKA_BROKERS: '127.0.0.1:9092',
};
const secrets = { SECRETS_KEY: Buffer.alloc(32).toString('base64') };
const subgraph = { ...engines, JWKS_URL: 'http://127.0.0.1:8091/.well-known/jwks.json' };

/** For each process that reads settings: its schema, and valid settings. */
const readers = {
  standalone: [standaloneSettings, {}],
  gateway: [
    processSettings.gateway,
    {
      ...subgraph,
      SUBGRAPH_USER_URL: 'http://127.0.0.1:8091/graphql',
      SUBGRAPH_VOUCHER_URL: 'http://127.0.0.1:8092/graphql',
      SUBGRAPH_DELIVERY_URL: 'http://127.0.0.1:8093/graphql',
    },
  ],
  user: [processSettings.user, { ...engines, ...secrets }],
  voucher: [processSettings.voucher, subgraph],
  delivery: [processSettings.delivery, { ...subgraph, ...secrets, SMS: 'off' }],
  'voucher-integration': [processSettings['voucher-integration'], { ...engines, VPS_URL: 'http://127.0.0.1:8081' }],
  'vps-mock': [processSettings['vps-mock'], {}],
} as const;
type Reader = keyof typeof readers;

function read(reader: Reader, environment: Environment) {
  const [schema, good] = readers[reader];
  return readConfig(schema, { ...good, ...environment });
}

const all = Object.keys(readers) as Reader[];
const withDatabase: Reader[] = ['user', 'voucher', 'delivery', 'voucher-integration'];
const withKeyValue: Reader[] = ['gateway', 'user', 'voucher', 'delivery'];
const withTopics: Reader[] = ['gateway', 'user', 'voucher', 'delivery', 'voucher-integration'];

/** A setting, wrong values, and the readers that must refuse them. */
const wrong: readonly (readonly [setting: string, values: readonly string[], readers: readonly Reader[]])[] = [
  ['NODE_ENV', ['prod', 'PRODUCTION'], all],
  ['LOG_LEVEL', ['verbose'], all],
  // Timers of more than 2^31 ms would fire immediately in Node.
  ['REQUEST_TIMEOUT', ['25d', '2147483648ms', '10', '-1s', '0s', '1 m'], all],
  ['KEEP_ALIVE', ['25h', 'off'], all],
  ['SHUTDOWN_DELAY', ['2h', '5'], all],
  ['PORT', ['65536', '-1', 'http', '80.5', '0x50'], all.filter((reader) => reader !== 'standalone')],
  ['GATEWAY_PORT', ['70000'], ['standalone']],
  ['VPS_PORT', ['8081/tcp'], ['standalone']],
  ['INTEGRATION_PORT', ['99999'], ['standalone']],
  ['SUBGRAPH_TIMEOUT', ['30d', '90m', '1e3s'], ['standalone', 'gateway']],
  ['UPSTREAM_CONNECT_TIMEOUT', ['2h'], ['standalone', 'gateway']],
  ['UPSTREAM_KEEP_ALIVE', ['2h'], ['standalone', 'gateway']],
  ['DRAIN_WINDOW', ['25h'], ['standalone', 'gateway']],
  ['SUPERGRAPH_POLL', ['25h', '0s'], ['gateway']],
  ['SESSION_IDLE', ['25d'], ['standalone', 'gateway', 'user']],
  ['SESSION_MAX', ['25d'], ['standalone', 'user']],
  ['KEY_ROTATION', ['3651d', '99999999999999999999d'], ['standalone', 'user']],
  ['GIVE_UP_AFTER', ['25d'], ['standalone', 'voucher', 'voucher-integration']],
  ['CALLBACK_TIMEOUT', ['2h'], ['standalone', 'delivery']],
  [
    'CALLBACK_RETRY_SCHEDULE',
    ['25d', '5s,,5m', '5s,0s', 'never', Array(101).fill('1s').join(',')],
    ['standalone', 'delivery'],
  ],
  ['CALLBACK_ALLOW_LOOPBACK', ['yes', '1'], ['standalone', 'voucher', 'delivery']],
  [
    'CALLBACK_ALLOW_PRIVATE',
    ['yes', '10.0.0.1', '0.0.0.0/0', '169.254.0.0/16', '127.0.0.0/8', '8.8.8.0/24'],
    ['standalone', 'voucher', 'delivery'],
  ],
  ['CALLBACK_PORTS', ['any', '0', '443-80', '65536', ','], ['standalone', 'voucher', 'delivery']],
  ['CALLBACK_HTTPS_ONLY', ['yes', '1'], ['standalone', 'voucher', 'delivery']],
  ['CALLBACK_PROXY', ['proxy', 'socks5://proxy:1080', 'http://ann:100%@proxy:3128'], ['standalone', 'delivery']],
  ['CALLBACK_DNS_SERVERS', ['10.0.0.2:0', 'a b'], ['standalone', 'delivery']],
  ['SMS', ['on', 'nexmo'], ['standalone', 'delivery']],
  ['TWILIO_URL', ['api.twilio.com', 'ftp://api.twilio.com'], ['standalone', 'delivery']],
  ['TWILIO_ACCOUNT_SID', ['AC123', `SK${'0'.repeat(32)}`], ['standalone', 'delivery']],
  ['TWILIO_FROM', ['0909123456', 'a name that is too long'], ['standalone', 'delivery']],
  ['TWILIO_MESSAGING_SERVICE_SID', ['MG1'], ['standalone', 'delivery']],
  ['DELIVERY_PUBLIC_URL', ['vouchers.example.org'], ['standalone', 'delivery']],
  ['SMS_REPORT_WAIT', ['25d', '0s'], ['standalone', 'delivery']],
  ['DELIVERY_PORT', ['70000'], ['standalone']],
  ['LIMIT_SMS_PER_NUMBER', ['10', '0/1h'], ['standalone', 'delivery']],
  ['VPS_TIMEOUT', ['51s', '2h'], ['standalone', 'voucher-integration']],
  ['VPS_SILENCE_AFTER', ['25d'], ['standalone', 'voucher-integration']],
  ['VPS_RETRY_BASE', ['25d'], ['standalone', 'voucher-integration']],
  ['VPS_CONCURRENCY', ['0', '10001', 'many'], ['standalone', 'voucher-integration']],
  ['VPS_RETRY_MAX', ['25d'], ['standalone', 'voucher-integration']],
  ['IDEMPOTENCY_KEY_RETENTION', ['3651d', '0s', 'off'], ['standalone', 'voucher']],
  // These rows are needed to handle a message. They must be kept for at least 38 days: twice the 7 days for which
  // messages are kept, plus 24 days.
  ['PROVIDER_REQUEST_RETENTION', ['3651d', 'never', '37d'], ['standalone', 'voucher-integration']],
  ['DELIVERY_RETENTION', ['0s', 'never', '37d'], ['standalone', 'delivery']],
  ['OLD_SECRET_RETENTION', ['25d', 'off'], ['standalone', 'delivery']],
  ['PARKED_RETENTION', ['0s', '3651d'], ['standalone', 'voucher', 'delivery', 'voucher-integration']],
  ['VPS_PROFILE', ['fastest'], ['standalone', 'vps-mock']],
  ['VPS_URL', ['127.0.0.1:8081', 'ftp://vps', 'http://vps:99999'], ['standalone', 'voucher-integration']],
  ['INTEGRATION_PUBLIC_URL', ['integration'], ['standalone', 'voucher-integration']],
  ['JWKS_URL', ['/jwks.json', 'file:///jwks.json'], ['gateway', 'voucher', 'delivery']],
  ['SUBGRAPH_USER_URL', ['user:8091', 'ws://user'], ['gateway']],
  ['SUBGRAPH_USER_SUBSCRIPTIONS_URL', ['user:8091', 'tcp://user'], ['gateway']],
  ['DEFAULT_REGION', ['Vietnam', 'XX'], ['standalone', 'user', 'voucher']],
  ['LIMIT_SIGN_INS_PER_ADDRESS', ['10', '10/366d', '0/1m', 'unlimited'], ['standalone', 'user']],
  ['LIMIT_VOUCHERS_PER_USER', ['10/1'], ['standalone', 'voucher']],
  ['RATE_LIMITS', ['false'], ['standalone', 'user', 'voucher', 'delivery']],
  ['MAX_DEPTH', ['0', '1.5', '1e1', 'unlimited'], ['standalone', 'gateway']],
  ['MAX_CONNECTIONS', ['off', '99999999999'], ['standalone', 'gateway']],
  ['OPERATION_LIMITS', ['warn'], ['standalone', 'gateway']],
  ['INTROSPECTION', ['on'], ['standalone', 'gateway']],
  ['TRUSTED_PROXIES', ['1.2.3', '1', '10.0.0.0/33', 'proxy.example', '::1/129', '*'], ['standalone', 'gateway']],
  [
    'ALLOWED_ORIGINS',
    [
      'shop.example',
      'https://shop.example/path',
      'https://*.shop.example',
      '*,https://shop.example',
      'https://a.example https://b.example',
      'null',
    ],
    ['standalone', 'gateway'],
  ],
  [
    'DATABASE_URL',
    [
      'postgres://',
      'postgres:///bank',
      'postgres://db:0/bank',
      'postgres://db:65536/bank',
      'postgres://db:port/bank',
      'mysql://db/bank',
      'db:5432',
    ],
    withDatabase,
  ],
  [
    'SECRETS_KEY',
    ['short', Buffer.alloc(31).toString('base64'), `${Buffer.alloc(32).toString('base64')},x`],
    ['standalone', 'user', 'delivery'],
  ],
  ['DATABASE_POOL', ['1', '501'], withDatabase],
  // PostgreSQL stores this setting as a 32-bit number of milliseconds.
  ['STATEMENT_TIMEOUT', ['2147483648ms', '25d', '2h'], withDatabase],
  [
    'REDIS_URL',
    [
      'redis://',
      'redis://host:0',
      'redis://host:65536',
      'redis-sentinel://a:26379,b:99999/main',
      'redis-cluster://a:1,,b:2',
      'http://host:6379',
      'host:6379',
    ],
    withKeyValue,
  ],
  ['KAFKA_BROKERS', ['kafka', 'kafka:0', 'kafka:65536', 'kafka:9092,', 'http://kafka:9092', '[::1]:9092'], withTopics],
  ['KAFKA_PREFIX', ['a b', 'ä'], withTopics],
  ['KAFKA_PARTITIONS', ['0', '1001'], withTopics],
  ['KAFKA_REPLICATION', ['10'], withTopics],
  ['KAFKA_RETENTION', ['3651d'], withTopics],
  ['KAFKA_TLS', ['yes'], withTopics],
  ['KAFKA_SASL_MECHANISM', ['gssapi', 'plain'], withTopics],
];
/** Shortens a long value, for titles. */
const short = (value: string) => (value.length > 34 ? `${value.slice(0, 34)}…` : value);
const cases = wrong.flatMap(([setting, values, by]) =>
  values.map((value) => [short(`${setting}=${value}`), setting, value, by] as const),
);

describe('wrong settings', () => {
  it('settings: the base of each reader is valid', () => {
    for (const reader of all) expect(() => read(reader, {}), reader).not.toThrow();
  });

  it.each(cases)('%s is refused, and the error names it', (_title, setting, value, by) => {
    for (const reader of by)
      expect(() => read(reader, { [setting]: value }), reader).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringMatching(new RegExp(`- ${setting} `)),
        }),
      );
  });
});

it('settings: rows that messages read must be kept for longer than messages', () => {
  const retention = { KAFKA_RETENTION: '30d', PROVIDER_REQUEST_RETENTION: '84d' };
  expect(read('voucher-integration', retention)).toMatchObject({ PROVIDER_REQUEST_RETENTION: 84 * 86_400_000 });
  expect(() => read('voucher-integration', { ...retention, KAFKA_RETENTION: '31d' })).toThrow(
    /PROVIDER_REQUEST_RETENTION must be .* KAFKA_RETENTION/,
  );
  expect(read('delivery', { KAFKA_RETENTION: '3650d', DELIVERY_RETENTION: 'off' })).toMatchObject({
    DELIVERY_RETENTION: Number.POSITIVE_INFINITY,
  });
});

const right = [
  ['ALLOWED_ORIGINS', 'gateway', '*', ['*']],
  [
    'ALLOWED_ORIGINS',
    'gateway',
    'https://Shop.example:443/, http://localhost:3000,capacitor://localhost',
    ['https://shop.example', 'http://localhost:3000', 'capacitor://localhost'],
  ],
  ['TRUSTED_PROXIES', 'gateway', 'loopback, 10.0.0.0/8,::1', ['loopback', '10.0.0.0/8', '::1']],
  ['DATABASE_URL', 'user', 'postgres:///bank?host=/run/postgresql', 'postgres:///bank?host=/run/postgresql'],
  ['REDIS_URL', 'user', 'redis://:p%40ss@host?family=6', 'redis://:p%40ss@host?family=6'],
  ['REDIS_URL', 'user', 'redis-cluster://[::1]:7000,b:7001', 'redis-cluster://[::1]:7000,b:7001'],
  ['KAFKA_BROKERS', 'user', 'a:9092, b:65535', ['a:9092', 'b:65535']],
] as const;
it.each(
  right.map(
    ([setting, reader, value, parsed]) =>
      [`${setting} of ${reader}`, short(value), { setting, reader, value, parsed }] as const,
  ),
)('settings: %s may be %s', (_title, _value, { setting, reader, value, parsed }) => {
  expect((read(reader, { [setting]: value }) as Record<string, unknown>)[setting]).toEqual(parsed);
});
