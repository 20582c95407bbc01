import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { createTemporaryStack } from '@voucher-gateway/standalone/temporary-stack';
import { below, latencies, type Report } from './report.ts';

const warmUps = 50;
const requests = 300;

/**
 * Measures the latency of requestVoucher on embedded engines, one request at a time, with a provider that takes 3 s.
 * For comparison it also measures a query without subgraph calls, which needs only HTTP and the gateway.
 */
export async function accept(): Promise<Report> {
  await using stack = await createTemporaryStack({ environment: { VPS_PROFILE: 'slow', RATE_LIMITS: 'off' } });
  const url = `${stack.gatewayUrl}/graphql`;
  const signedUp = await postGraphql(
    url,
    'mutation { signUp(input: { username: "bench", phoneNumber: "0909123456", password: "correct horse" }) { token } }',
  );
  const token: string = signedUp.data?.signUp.token;
  const timed = async (query: string) => {
    const samples: number[] = [];
    for (let request = 0; request < warmUps + requests; request += 1) {
      const startedAt = performance.now();
      const { errors } = await postGraphql(url, query, {}, token);
      if (errors) throw new Error(JSON.stringify(errors));
      if (request >= warmUps) samples.push(performance.now() - startedAt);
    }
    return samples;
  };
  const results = [
    ...latencies('__typename', await timed('{ __typename }')),
    ...latencies('requestVoucher', await timed('mutation { requestVoucher(input: {}) { id message } }')),
  ];
  return { results, bounds: [below(results, 'requestVoucher', 'p95', 50)] };
}
