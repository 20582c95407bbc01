import { openDataDirectory } from '../../database/embedded/data-directory.ts';

// A process for data-directory.test.ts that owns the folder until it is killed. It has so much memory that the kernel
// needs a while to free it.
const [, , folder = ''] = process.argv;
const memory = Buffer.alloc(300_000_000, 1);
await openDataDirectory(folder);
process.stdout.write(`${process.pid}\n`);
setInterval(() => memory.at(0), 60_000);
