import { writeFileSync } from 'node:fs';
import { envExample } from './settings.ts';

// `npm run compose:settings`: writes .env.example from the configuration schemas.
writeFileSync(new URL('../../.env.example', import.meta.url), envExample());
process.stdout.write('.env.example is written\n');
