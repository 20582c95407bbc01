import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import { scenarios } from './scenarios.ts';
import { startScenario } from './start-scenario.ts';

// `node main.ts <GraphQL URL> <command>` runs the scenarios against any gateway. For each scenario a shell runs the
// command, with SUPERGRAPH (a file), JWKS_URL and the scenario's settings in its environment. The command must start a
// gateway that serves at the URL.
const [url, command] = process.argv.slice(2);
if (!url || !command) throw new Error('usage: main.ts <GraphQL URL> <command that starts the gateway>');
await using folder = await mkdtempDisposable(join(tmpdir(), 'supergraph-suite-'));
const SUPERGRAPH = join(folder.path, 'supergraph.graphql');
let [passed, failed] = [0, 0];
for (const scenario of scenarios) {
  await using running = await startScenario(scenario);
  await writeFile(SUPERGRAPH, running.supergraphSdl);
  const environment = { ...process.env, ...scenario.environment, SUPERGRAPH, JWKS_URL: running.jwksUrl };
  const gateway = spawn('sh', ['-c', `exec ${command}`], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = once(gateway, 'exit');
  await waitFor(
    () =>
      fetch(`${url}?query=%7B__typename%7D`).then(
        () => true,
        () => false,
      ),
    { withinMs: 60_000 },
  );
  for (const request of scenario.requests) {
    const fault = await running.check(url, request).catch((error: unknown) => `${request.query}: ${String(error)}`);
    if (fault === null) passed += 1;
    else failed += 1;
    process.stdout.write(`${fault === null ? 'passes' : 'FAILS'}: ${scenario.name}: ${fault ?? request.query}\n`);
  }
  gateway.kill();
  await exited;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
