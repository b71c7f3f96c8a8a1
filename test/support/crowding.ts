const SPIN_MS = 200;

/**
 * How many times slower a process gets on now than on a machine of its own: 1 where nobody else is
 * at work. For bounds in seconds, which speak of such a machine.
 */
export function crowding(): number {
  const startMs = performance.now();
  const start = process.cpuUsage();
  let usedMs = 0;
  while (usedMs < SPIN_MS) {
    const { user, system } = process.cpuUsage(start);
    usedMs = (user + system) / 1000;
  }
  return Math.max(1, (performance.now() - startMs) / usedMs);
}
