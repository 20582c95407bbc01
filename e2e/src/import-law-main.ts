import { fileURLToPath } from 'node:url';
import { findImportFaults } from './import-law.ts';

// `npm run check` runs this file. It prints the faults of this repository's imports, and exits with 1 if there are any.
const faults = await findImportFaults(fileURLToPath(new URL('../..', import.meta.url)));
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
