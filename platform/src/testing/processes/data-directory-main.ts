import { openDataDirectory } from '../../database/embedded/data-directory.ts';

// For data-directory.test.ts: owns the folder until killed, with so much memory that the kernel needs a while to free
// it.
const [, , folder = ''] = process.argv;
const memory = Buffer.alloc(300_000_000, 1);
await openDataDirectory(folder);
process.stdout.write(`${process.pid}\n`);
setInterval(() => memory.at(0), 60_000);
