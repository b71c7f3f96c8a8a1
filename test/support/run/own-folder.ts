import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * Before a run: all temporary files of its tests get one folder, so that what they leave is seen at
 * its end.
 */
export default function ownFolder(): void {
  // Short: paths of sockets below it have room for some 100 bytes.
  const folder = mkdtempSync(path.join(tmpdir(), 'spot-test-'));
  // Tests look at files as another user would.
  chmodSync(folder, 0o755);
  process.env.TMPDIR = folder;
}
