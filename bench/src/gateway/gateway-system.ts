import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { subgraphSdls } from './graph.ts';
import { type HelperProcess, startHelper } from './helper-process.ts';

/** The subgraphs of the comparison, their supergraph, and the process that runs the clients. */
export interface GatewaySystem extends AsyncDisposable {
  subgraphs: HelperProcess;
  load: HelperProcess;
  /** Settings of a gateway for this supergraph. */
  environment: Readonly<Record<string, string>>;
}

/** The measurements that the process of the clients returns. */
export interface LoadResult {
  /** Latencies of the requests after the warm-up, in milliseconds. */
  latencies: number[];
  failed: number;
  answered: number;
}

export async function openGatewaySystem(): Promise<GatewaySystem> {
  await using releases = new AsyncDisposableStack();
  const folder = releases.use(await mkdtempDisposable(join(tmpdir(), 'voucher-gateway-bench-')));
  const subgraphs = releases.use(await startHelper('subgraphs-main.ts'));
  const load = releases.use(await startHelper('load-main.ts'));
  const { ports } = subgraphs.started as { ports: Record<string, number> };
  const urls = Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [name, `http://127.0.0.1:${port}/graphql`]),
  );
  const supergraph = join(folder.path, 'supergraph.graphql');
  await writeFile(supergraph, compose(urls));
  const owned = releases.move();
  return {
    subgraphs,
    load,
    environment: {
      SUPERGRAPH: supergraph,
      ...Object.fromEntries(Object.entries(urls).map(([name, url]) => [`SUBGRAPH_${name.toUpperCase()}_URL`, url])),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function compose(urls: Readonly<Record<string, string>>): string {
  const { supergraphSdl, errors } = composeServices(
    Object.entries(subgraphSdls).map(([name, sdl]) => ({ name, url: urls[name] ?? '', typeDefs: parse(sdl) })),
  );
  if (!supergraphSdl) throw new Error(errors?.join('\n'));
  return supergraphSdl;
}
