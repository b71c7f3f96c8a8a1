/**
 * Loaded by a hook (NODE_OPTIONS): writes the most memory that it ever held, in KiB, at its end.
 */
const { writeFileSync } = require('node:fs');
process.on('exit', () => writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS)));
