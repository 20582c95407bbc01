import { parentPort, workerData } from 'node:worker_threads';
import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import type { ProxyMessage } from './database-proxy.ts';

// The thread of `startDatabaseProxy`: posts the proxy's URL, then receives messages.
const proxy = await startTcpProxy(workerData);
let endCuts = () => {};
parentPort?.on('message', (message: ProxyMessage) => {
  switch (message.kind) {
    case 'begin-cut': {
      let begins = 0;
      endCuts = proxy.cutAt((data) => data.includes('begin\0') && ++begins % message.every === 0, 'before');
      return;
    }
    case 'silent':
      return proxy.silence();
    case 'none':
      endCuts();
      return proxy.restore();
    case 'client-port':
      return message.reply.postMessage(proxy.clientPortOf(message.seenPort));
  }
});
parentPort?.postMessage(proxy.url);
