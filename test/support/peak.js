/**
 * Loaded by a hook (NODE_OPTIONS): writes the most memory that it ever held, in KiB, at its end. Not
 * `maxRSS`: Linux hands that on at exec, so it may be the most that the parent held.
 */
const { readFileSync, writeFileSync } = require('node:fs');
const PEAK = /^VmHWM:\s+(\d+) kB$/m;
process.on('exit', () => writeFileSync(process.env.PEAK_FILE, PEAK.exec(readFileSync('/proc/self/status', 'utf8'))[1]));
