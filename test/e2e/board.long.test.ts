import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { dayOf } from '../../src/billing/ledger';
import { RecordStore } from '../../src/jobs/record-store';
import { ready, stageAtWork, type Running } from '../../src/jobs/transitions';
import { noteReap } from '../../src/reaper/last-run';
import { describeWithChromium, launchChromium } from '../support/chromium';
import { gitlabSpot } from '../support/cli';
import { crowding } from '../support/crowding';
import { figures } from '../support/figures';
import { instanceFacts, preparingRecord } from '../support/job-record';
import { ledgerEntry } from '../support/ledger-entry';

/** The board as the built command serves it, in a real browser. */
const program = path.resolve(__dirname, '../../dist/cli/gitlab-spot.js');
const HOSTILE = `</script><img src=x onerror="document.title='taken'"><b>bold</b>`;
const PHONE = { width: 400, height: 800 };
const JOBS = 200;
const ROWS = 100_000;
const DAY_MS = 86_400_000;

let directory: string;
let environment: Record<string, string | undefined>;
const servers: ChildProcess[] = [];

function folder(): { stateDir: string; store: RecordStore } {
  directory = mkdtempSync(path.join(os.tmpdir(), 'board-'));
  const stateDir = path.join(directory, 'state');
  environment = {
    PATH: process.env.PATH,
    HOME: directory,
    GITLAB_SPOT_ENV_FILE: '/dev/null',
    GITLAB_SPOT_STATE_DIR: stateDir,
    GITLAB_SPOT_EXECUTOR_ID: 'ci-host',
    GITLAB_SPOT_BUDGET: '5000',
  };
  return { stateDir, store: new RecordStore(stateDir) };
}

/** @returns where it is */
async function board(...more: string[]): Promise<string> {
  const child = spawn(process.execPath, [program, 'board', ...more], { env: { ...environment }, stdio: 'pipe' });
  servers.push(child);
  let told = '';
  for await (const chunk of child.stderr) {
    told += String(chunk);
    const url = /board: (http\S+)/.exec(told)?.[1];
    if (url) return url;
  }
  throw new Error(told);
}

const iso = (ms: number): string => new Date(ms).toISOString();
function running(jobId: number, stage: string, change: Partial<Running> = {}): Running {
  const startedMs = Date.now() - 60_000;
  const instance = { ...instanceFacts, createdAt: iso(startedMs), readyAt: iso(startedMs) };
  const record = ready({ ...preparingRecord(jobId), startedAt: iso(startedMs) }, instance);
  return { ...stageAtWork(record, { stage, startedAt: iso(startedMs) }, Date.now(), 1), ...change };
}

afterEach(async () => {
  for (const child of servers.splice(0)) {
    const closed = once(child, 'close');
    child.kill();
    await closed;
  }
  rmSync(directory, { recursive: true, force: true });
});

describeWithChromium('the board in a browser', () => {
  let browser: Browser;
  beforeAll(async () => (browser = await launchChromium()));
  afterAll(() => browser.close());

  /** What the page complained of, and each request that it made. */
  async function opened(url: string, options: BrowserContextOptions = {}) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('request', (request) => requests.push(`${request.method()} ${request.url()}`));
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    return { page, complaints, requests, close: () => context.close() };
  }
  const live = (page: Page) => page.getByText('live', { exact: true }).waitFor();

  test('says of what was not today on which day it was', async () => {
    const { stateDir } = folder();
    const [then, now] = ['2026-11-24T09:30:00Z', '2026-11-26T12:00:00Z'];
    noteReap(stateDir, Date.parse(then), { destroyed: 0, left: 0, reported: 0 });
    const url = await board('--port', '0');
    const context = await browser.newContext({ timezoneId: 'Asia/Shanghai', locale: 'en' });
    const page = await context.newPage();
    await page.clock.setFixedTime(now);
    await page.route('**/events', (route) => route.abort());
    await page.route(url, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.text()).replace(/"at":"[^"]+","currency"/, `"at":"${now}","currency"`);
      await route.fulfill({ response: answer, body });
    });
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    await page.getByText('No round of the reaper has gone well since Nov 24, 17:30.').waitFor();
    await page.getByText('Last round at Nov 24, 17:30: nothing was left behind.').waitFor();
    await context.close();
  });

  test('shows jobs with their links, follows what happens, and can change nothing', async () => {
    const { stateDir, store } = folder();
    store.write(running(1001, 'get_sources'));
    store.write(running(1002, 'step_script', { jobName: HOSTILE, project: HOSTILE }));
    const url = await board('--port', '0');
    const { page, complaints, requests, close } = await opened(url);
    await live(page);
    const link = page.getByRole('link', { name: 'build' });
    expect(await link.getAttribute('href')).toBe('https://gitlab.example.com/root/demo/-/jobs/1001');
    expect(await link.getAttribute('rel')).toBe('noopener noreferrer');
    await page.getByText('ecs.c7.xlarge').first().waitFor();
    await page.getByText('get_sources').waitFor();
    expect(await page.title()).toBe('2 running · gitlab-spot ci-host');
    // What a job is called stays text.
    await page.getByText(HOSTILE, { exact: true }).waitFor();
    expect(await page.locator('img, b b').count()).toBe(0);

    store.write(running(1001, 'upload_artifacts_on_success'));
    await page.getByText('upload_artifacts_on_success').waitFor();
    noteReap(stateDir, Date.now(), { destroyed: 0, left: 2, reported: 0 });
    await page.getByText('2 stacks could not be destroyed').waitFor();
    store.remove(running(1001, '').identity.stackName);
    await link.waitFor({ state: 'detached' });
    // A job that ends comes into the list of today.
    const day = path.join(stateDir, 'ledger', dayOf(new Date()));
    mkdirSync(day, { recursive: true });
    const entry = ledgerEntry({ jobName: 'deploy', from: iso(Date.now()), to: iso(Date.now()), result: 'failed' });
    appendFileSync(path.join(day, 'job@i-1.json'), JSON.stringify(entry));
    await page.getByText('deploy', { exact: true }).waitFor();

    expect(complaints).toEqual([]);
    expect(new Set(requests)).toEqual(new Set([`GET ${url}`, `GET ${url}events`]));
    const controls = page
      .locator('#board')
      .locator('button, form, select, textarea, input, [contenteditable], [onclick]');
    expect(await controls.evaluateAll((all) => all.map(({ id }) => id))).toEqual(['filter']);
    await close();
  });

  test('filters its jobs', async () => {
    const { store } = folder();
    store.write(running(1001, 'step_script', { project: 'team/web' }));
    store.write(running(1002, 'step_script', { project: 'team/api' }));
    const { page, close } = await opened(await board('--port', '0'));
    await page.getByLabel('Filter jobs').fill('WEB');
    await page.getByText('team/api').waitFor({ state: 'detached' });
    expect(await page.getByText('team/web').count()).toBe(1);
    await close();
  });

  test('asks for the token where there is one, and forgets it from the address', async () => {
    const { store } = folder();
    store.write(running(1001, 'step_script'));
    const url = await board('--listen', '0.0.0.0:0').then((one) => one.replace('0.0.0.0', '127.0.0.1'));
    const token = readFileSync(path.join(environment.GITLAB_SPOT_STATE_DIR!, 'board-token'), 'utf8').trim();
    const typed = await opened(url);
    expect(await typed.page.content()).not.toContain('root/demo');
    await typed.page.getByLabel(/The token/).fill('not-the-right-one');
    await typed.page.keyboard.press('Enter');
    await typed.page.getByText('That is not the token.').waitFor();
    await typed.page.getByLabel(/The token/).fill(token);
    await typed.page.keyboard.press('Enter');
    await live(typed.page);
    await typed.page.reload();
    await live(typed.page);
    await typed.close();
    for (const address of [`${url}#token=${token}`, `${url}?token=${token}`]) {
      const { page, close } = await opened(address);
      await live(page);
      expect(page.url()).toBe(url);
      await close();
    }
  });

  test.each([
    ['light', 'a phone', PHONE],
    ['dark', 'a phone', PHONE],
    ['dark', 'a wide window', { width: 1200, height: 800 }],
    ['light', 'a small window', { width: 970, height: 800 }],
    ['dark', 'a tablet', { width: 800, height: 800 }],
  ] as const)('is readable in %s on %s', async (colorScheme, _what, viewport) => {
    const { store } = folder();
    const long = {
      project: 'a-group-with-a-long-name/and-one-below-it/and-a-project',
      jobName: 'x'.repeat(120),
      userLogin: 'y'.repeat(100),
    };
    store.write(running(1001, 'upload_artifacts_on_failure', long));
    store.write(running(1002, 'step_script'));
    const { page, close } = await opened(await board('--port', '0'), { colorScheme, viewport });
    await live(page);
    const seen = await page.evaluate(`(() => {
      const { backgroundColor: paper, color: ink } = getComputedStyle(document.body);
      const outside = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
      return { paper, ink, width: document.documentElement.scrollWidth, outside: outside.map((one) => one.outerHTML) };
    })()`);
    const { paper, ink, width, outside } = seen as { paper: string; ink: string; width: number; outside: string[] };
    expect({ width, outside }).toEqual({ width: viewport.width, outside: [] });
    // A long name takes no room from short ones: each stands on one line.
    expect(await page.evaluate(BROKEN)).toEqual([]);
    const [back, front] = [brightness(paper), brightness(ink)];
    expect(colorScheme === 'dark' ? front - back : back - front).toBeGreaterThan(400);
    // What it costs so far is there too.
    expect(
      await page
        .getByText(/^0\.00\d$/)
        .locator('visible=true')
        .count(),
    ).toBeGreaterThan(0);
    await close();
  });

  test(`${JOBS} jobs and ${ROWS} entries: painted within a second, listed within half of one`, async () => {
    const { stateDir, store } = folder();
    for (let id = 1; id <= JOBS; id++) store.write(running(id, 'step_script'));
    writeLedger(stateDir);
    const url = await board('--port', '0');
    /** As on a machine that has nothing else to do. */
    const alone = (ms: number): number => ms / crowding();
    const paints: number[] = [];
    for (let round = 0; round < 3; round++) {
      const { page, close } = await opened(url);
      paints.push(alone((await page.evaluate(FIRST_PAINT)) as number));
      expect(await page.locator('#jobs tbody tr').count()).toBe(JOBS);
      await page.getByText(/the last 100 of/).waitFor({ timeout: 60_000 });
      await close();
    }
    const listed: number[] = [];
    for (let round = 0; round < 5; round++) {
      const startMs = performance.now();
      expect((await gitlabSpot(['jobs', 'ls'], environment)).stdout.split('\n')).toHaveLength(JOBS + 2);
      listed.push(alone(performance.now() - startMs));
    }
    const page = path.join(directory, 'cost.html');
    const since = dayOf(new Date(Date.now() - 28 * DAY_MS));
    const startMs = performance.now();
    await gitlabSpot(['cost', '--from', since, '--no-standing', '--html', page], environment);
    const pageMs = alone(performance.now() - startMs);
    expect(readFileSync(page, 'utf8')).toContain('<dt>runs</dt><dd>99,988<');
    const shown = (all: number[]) => `${all.map(Math.round).join(', ')} ms`;
    figures(`board: first paint ${shown(paints)}; jobs ls ${shown(listed)}; cost page ${shown([pageMs])}`);
    expect(Math.min(...paints)).toBeLessThan(1_000);
    expect(Math.min(...listed)).toBeLessThan(500);
  }, 180_000);
});

/** Those of these texts that take more than one line. */
const BROKEN = `(() => {
  const short = ['standard', 'ecs.c7.xlarge', 'root', 'step_script'];
  const all = [...document.querySelectorAll('#jobs td, #jobs td *')].flatMap(({ childNodes }) => [...childNodes]);
  const texts = all.filter((node) => node.nodeType === 3 && short.includes(node.textContent.trim()));
  if (texts.length < short.length) return ['only ' + texts.length];
  return texts.filter((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getClientRects().length > 1;
  }).map(({ textContent }) => textContent);
})()`;

const FIRST_PAINT = `new Promise((resolve) => {
  const told = (list) => resolve(list.getEntries()[0].startTime);
  new PerformanceObserver(told).observe({ type: 'paint', buffered: true });
})`;

/** Of this month and before, as it is after a fold; today’s in one file each would be no different. */
function writeLedger(stateDir: string): void {
  mkdirSync(path.join(stateDir, 'ledger'), { recursive: true });
  const days = 28;
  for (let back = 0; back < days; back++) {
    const day = dayOf(new Date(Date.now() - back * DAY_MS));
    const at = back === 0 ? iso(Date.now()) : `${day}T10:00:00.000Z`;
    const entries = Array.from({ length: ROWS / days }, (_, index) =>
      ledgerEntry({ stack: `job-${day}-${index}`, jobId: index, instanceId: `i-${index}`, from: at, to: at }),
    );
    const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    const file = path.join(stateDir, 'ledger', `${day}.jsonl`);
    appendFileSync(file, text);
    const folded = new Date(Date.parse(day) + DAY_MS);
    utimesSync(file, folded, folded);
  }
}

function brightness(colour: string): number {
  return colour
    .match(/\d+/g)!
    .slice(0, 3)
    .reduce((sum, part) => sum + Number(part), 0);
}
