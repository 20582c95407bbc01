import { cpSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openPglite } from '@voucher-gateway/platform/database/embedded/pglite';
import { embeddedStoresOn } from '@voucher-gateway/platform/engines/embedded';
import { killPoints, watchKillPoints } from './kill-points.ts';
import { killedService } from './killed-service.ts';

// Entry of a process that runs the service on DATA_DIR, which contains unconsumed messages of a request and its code.
// At each kill point, it copies DATA_DIR to a folder in COPIES (0, 1, 2 …), and prints the point. At the last point it
// kills itself.
const { DATA_DIR = '', COPIES = '' } = process.env;
const database = await openPglite({ dataDir: DATA_DIR });
let reached = 0;
watchKillPoints(database, (point) => {
  cpSync(DATA_DIR, join(COPIES, String(reached)), { recursive: true });
  reached += 1;
  writeSync(1, `${point}\n`);
  if (point === killPoints.at(-1)) process.kill(process.pid, 'SIGKILL');
});
const { options, start } = killedService;
await start(await embeddedStoresOn(database, options));
