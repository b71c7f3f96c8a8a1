import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { chromium as driver, type Browser } from 'playwright-core';
import { programOn } from '../../sandbox/start';
import { describeUnless } from './skip';

const chromium = ['chromium', 'chromium-browser', 'google-chrome']
  .map((name) => programOn(process.env.PATH ?? '', name))
  .find((program) => program !== undefined);

/** Tests that need a browser. */
export const describeWithChromium = (name: string, tests: () => void): void =>
  describeUnless(chromium ? undefined : "Chromium isn't installed", name, tests);

export interface Opened {
  /** The document after it has been laid out. */
  readonly dom: string;
  /** What the page complained of, or logged. */
  readonly console: readonly string[];
}

/** A browser to be driven; `close` ends it. */
export function launchChromium(): Promise<Browser> {
  return driver.launch({ executablePath: chromium!, args: ['--no-sandbox', '--disable-gpu'] });
}

/** Opens a file in a headless browser of its own. */
export async function openInChromium(
  file: string,
  { width, dark = false }: { readonly width: number; readonly dark?: boolean },
): Promise<Opened> {
  const profile = mkdtempSync(path.join(os.tmpdir(), 'chromium-'));
  try {
    const { stdout, stderr } = await promisify(execFile)(
      chromium!,
      [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
        ...['--enable-logging=stderr', `--user-data-dir=${profile}`, `--window-size=${width},1200`],
        ...(dark ? ['--force-dark-mode'] : []),
        '--dump-dom',
        `file://${file}`,
      ],
      { timeout: 60_000, maxBuffer: 16 * 1024 * 1024 },
    );
    return { dom: stdout, console: stderr.split('\n').filter((line) => line.includes(':CONSOLE')) };
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
