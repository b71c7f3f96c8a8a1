import path from 'node:path';

/** What is started, also from dist/code/, where the programs of most of it lie (scripts/build.mjs). */
export const EXECUTOR = path.resolve(__dirname, '../executor');
