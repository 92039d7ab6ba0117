// node main.mjs PUBLISHED CURRENT: says what is broken, and fails if anything is.

import { readFileSync } from 'node:fs';

import { broken } from './growth.mjs';

const [published, current] = process.argv.slice(2).map((path) => readFileSync(path, 'utf8'));
const found = broken(published, current);
for (const sentence of found) console.error(`contract: ${sentence}`);
process.exit(found.length > 0 ? 1 : 0);
