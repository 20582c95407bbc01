import { writeSync } from 'node:fs';
import { openPglite } from '@voucher-gateway/platform/database/embedded/pglite';
import { embeddedEnginesOn } from '@voucher-gateway/platform/engines/embedded';
import { watchKillPoints } from './kill-points.ts';
import { killedService } from './killed-service.ts';

// Entry of a process that delivers what waits in DATA_DIR, and is killed at the point KILL_AT. It prints the points that it
// reaches.
const { DATA_DIR = '', KILL_AT = '' } = process.env;
const database = await openPglite({ dataDir: DATA_DIR });
watchKillPoints(database, (point) => {
  writeSync(1, `${point}\n`);
  if (point === KILL_AT) process.kill(process.pid, 'SIGKILL');
});
const { options, start } = killedService;
await start(await embeddedEnginesOn(database, options));
