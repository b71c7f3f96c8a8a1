// Makes docs/pictures/*.png: `npm run pictures`. The commands are the built ones; what they show is a
// made-up host of a team of six projects, written into a state folder that is removed afterwards.
// Needs Chromium on PATH.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const program = path.join(root, 'dist/cli/gitlab-spot.js');
const pictures = path.join(root, 'docs/pictures');
const nowMs = Date.now();
const MINUTE = 60_000;
const DAY = 86_400_000;
const iso = (ms) => new Date(ms).toISOString();
/** It is afternoon on this host, whenever the pictures are made: a day's jobs have ended. */
const ahead = Math.max(-12, Math.min(14, 15 - new Date(nowMs).getUTCHours()));
const timezoneId = `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;

const directory = mkdtempSync(path.join(os.tmpdir(), 'pictures-'));
const stateDir = path.join(directory, 'state');
const environment = {
  PATH: process.env.PATH,
  HOME: directory,
  TZ: timezoneId,
  GITLAB_SPOT_ENV_FILE: '/dev/null',
  GITLAB_SPOT_STATE_DIR: stateDir,
  GITLAB_SPOT_EXECUTOR_ID: 'ci-host-1',
  GITLAB_SPOT_GITLAB_URL: 'https://gitlab.example.com',
  GITLAB_SPOT_BUDGET: '200',
  ALICLOUD_REGION: 'cn-hangzhou',
};

/** Always the same numbers, from 0 to 1. */
let seed = 20261128;
function chance() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}
const between = (least, most) => least + chance() * (most - least);
const oneOf = (all) => all[Math.floor(chance() * all.length)];

const PROJECTS = ['shop/web', 'shop/api', 'shop/api', 'platform/images', 'mobile/android', 'data/reports'];
const JOBS = ['build', 'build', 'lint', 'test: [1/3]', 'test: [2/3]', 'test: [3/3]', 'package', 'e2e'];
const USERS = ['lin', 'wang', 'zhao', 'chen'];
const ZONES = ['cn-hangzhou-h', 'cn-hangzhou-j', 'cn-hangzhou-k'];
const MACHINES = {
  small: { type: 'ecs.c7.large', spot: 0.078, onDemand: 0.408, vcpu: 2, memoryMiB: 4096, disk: 0.042, diskGiB: 40 },
  standard: { type: 'ecs.c7.xlarge', spot: 0.155, onDemand: 0.815, vcpu: 4, memoryMiB: 8192, disk: 0.042, diskGiB: 40 },
  large: { type: 'ecs.c7.2xlarge', spot: 0.31, onDemand: 1.63, vcpu: 8, memoryMiB: 16384, disk: 0.063, diskGiB: 60 },
};

function write(file, text) {
  mkdirSync(path.dirname(path.join(stateDir, file)), { recursive: true, mode: 0o700 });
  writeFileSync(path.join(stateDir, file), text, { mode: 0o600 });
}

function record({ id, phase, profile = 'standard', minutes, stage, market = 'spot', ...more }) {
  const spare = phase === 'spare';
  const stackName = spare ? `spare-${profile}-${'0mkp3x1zab7q'}` : `job-gitlab.example.com-${id}-1`;
  const startedAt = iso(nowMs - minutes * MINUTE);
  const { type, spot, onDemand, disk } = MACHINES[profile];
  const instance = {
    ...{ instanceId: `i-bp1${id}`, address: '10.0.0.9', sshPort: 22, sshUser: 'root', hostPublicKey: '' },
    pool: { zoneId: ZONES[id % 3], vSwitchId: 'vsw-1', instanceType: type, market },
    priceYuanPerHour: market === 'spot' ? spot : onDemand,
    ...{ onDemandYuanPerHour: onDemand, diskYuanPerHour: disk, createdAt: startedAt, readyAt: startedAt },
  };
  const base = {
    ...{ version: 2, phase, identity: { stackName, serverHost: 'gitlab.example.com', jobId: id, attempt: 1 } },
    ...{ executorId: 'ci-host-1', serverUrl: 'https://gitlab.example.com', ref: 'main', userLogin: USERS[id % 4] },
    ...{ profile, timeoutMs: 60 * MINUTE, startedAt, heartbeatAt: iso(nowMs), tried: [], stages: [] },
    ...{ project: '', jobName: '' },
  };
  const stageNow = stage && { stage, startedAt };
  const known = phase === 'running' || spare ? { instance, releaseAt: iso(nowMs + 90 * MINUTE) } : {};
  write(`jobs/${stackName}/record.json`, JSON.stringify({ ...base, ...known, ...(stage && { stageNow }), ...more }));
}

function entry(id, endMs) {
  const profile = oneOf(['small', 'standard', 'standard', 'standard', 'large']);
  const { type, spot, onDemand, disk, vcpu, memoryMiB, diskGiB } = MACHINES[profile];
  const seconds = Math.round(between(150, 900));
  const luck = chance();
  const ending =
    luck < 0.07
      ? { result: 'failed', failedStage: { stage: 'step_script', exitCode: oneOf([1, 1, 2]) }, interrupted: false }
      : luck < 0.085
        ? { result: 'system-failure', loss: 'interrupted', interrupted: true, confirmed: true }
        : { result: 'success', interrupted: false };
  const diskYuan = (seconds * disk) / 3600;
  return {
    ...{ version: 1, stack: `job-gitlab.example.com-${id}-1`, executorId: 'ci-host-1', server: 'gitlab.example.com' },
    ...{ jobId: id, attempt: 1, project: oneOf(PROJECTS), ref: 'main', jobName: oneOf(JOBS), userLogin: oneOf(USERS) },
    ...{ profile, instanceId: `i-bp2${id}`, instanceType: type, zoneId: oneOf(ZONES), market: 'spot' },
    ...{ priceYuanPerHour: spot, onDemandYuanPerHour: onDemand, from: iso(endMs - seconds * 1000), to: iso(endMs) },
    ...{ seconds, yuan: (seconds * spot) / 3600 + diskYuan, diskYuan, readySeconds: Math.round(between(19, 38)) },
    ...ending,
    use: {
      ...{ memoryPeakMiB: Math.round(memoryMiB * between(0.15, 0.7)), memoryMiB, cpuShare: between(0.2, 0.85), vcpu },
      ...{ diskPeakGiB: between(5, 14), diskGiB },
    },
  };
}

function writeHost() {
  const job = (id, project, jobName, minutes, more) => record({ id, project, jobName, minutes, ...more });
  job(8412, 'shop/api', 'e2e', 14.2, { phase: 'running', stage: 'step_script', profile: 'large' });
  job(8415, 'mobile/android', 'build', 7.6, { phase: 'running', stage: 'step_script', profile: 'large' });
  job(8419, 'shop/web', 'test: [1/3]', 3.1, { phase: 'running', stage: 'step_script' });
  job(8420, 'shop/web', 'test: [2/3]', 3.1, { phase: 'running', stage: 'archive_cache' });
  job(8421, 'shop/web', 'test: [3/3]', 3, { phase: 'running', stage: 'step_script', market: 'on-demand' });
  job(8424, 'data/reports', 'nightly', 0.8, { phase: 'running', stage: 'get_sources' });
  job(8425, 'platform/images', 'lint', 0.3, { phase: 'preparing', profile: 'small', releaseAt: iso(nowMs) });
  job(8426, 'platform/images', 'package', 0.1, { phase: 'preparing' });
  const kept = { shape: '', imageId: 'm-1', until: iso(nowMs + 22 * MINUTE) };
  record({ id: 1, phase: 'spare', minutes: 8, userLogin: '', ...kept });
  let id = 1000;
  const days = new Map();
  for (let back = 0; back < 45; back++) {
    const weekend = back > 0 && [0, 6].includes(new Date(nowMs - back * DAY).getUTCDay());
    const count = Math.round(between(70, 120) * (weekend ? 0.15 : 1));
    for (let index = 0; index < count; index++) {
      const one = entry(id++, nowMs - back * DAY - between(1, 7 * 60) * MINUTE);
      const day = one.from.slice(0, 10);
      days.set(day, `${days.get(day) ?? ''}${JSON.stringify(one)}\n`);
    }
  }
  for (const [day, lines] of days) write(`ledger/${day}.jsonl`, lines);
  const round = {
    at: iso(nowMs - 2 * MINUTE),
    lastSuccessAt: iso(nowMs - 2 * MINUTE),
    destroyed: 1,
    left: 0,
    reported: 0,
  };
  write('reap.json', JSON.stringify({ version: 1, ...round }));
  const held = (instanceType, zoneId, code, minutes) => {
    const pool = { zoneId, vSwitchId: 'vsw-1', instanceType, market: 'spot' };
    const text = JSON.stringify({ pool, code, atMs: nowMs - minutes * MINUTE });
    write(`placement/cn-hangzhou/failures/${instanceType}@${zoneId}.json`, text);
  };
  held('ecs.c8a.xlarge', 'cn-hangzhou-k', 'OperationDenied.NoStock', 4);
  held('ecs.c7.2xlarge', 'cn-hangzhou-j', 'Interrupted', 21);
}

const gitlabSpot = (...args) =>
  execFileSync(process.execPath, [program, ...args], { env: environment, encoding: 'utf8' });

/** What was typed and what came, as a terminal shows it. */
function terminal(commands) {
  const escape = (text) => text.replace(/[&<]/g, (one) => `&#${one.charCodeAt(0)};`);
  const said = commands.map((args) => `<b>$ gitlab-spot ${args.join(' ')}</b>\n${escape(gitlabSpot(...args))}`);
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; padding: 18px 22px; width: max-content; background: #12161d; color: #d6dde8; }
    pre { margin: 0; font: 13px/1.5 ui-monospace, 'DejaVu Sans Mono', monospace; }
    b { color: #62cf98; font-weight: 600; }
  </style><pre>${said.join('\n')}</pre>`;
}

async function serveBoard() {
  const child = spawn(process.execPath, [program, 'board', '--port', '0'], { env: environment });
  for await (const chunk of child.stderr) {
    const url = /board: (http\S+)/.exec(String(chunk))?.[1];
    if (url) return { child, url };
  }
  throw new Error('the board does not start');
}

async function shoot(browser, url, name, { width, height, colorScheme = 'light', scale = 1, wait, body }) {
  const viewport = { width, height };
  const page = await browser.newPage({ viewport, colorScheme, timezoneId, deviceScaleFactor: scale, locale: 'en' });
  await page.goto(url);
  if (wait) await page.getByText(wait).first().waitFor();
  const file = path.join(pictures, `${name}.png`);
  await (body ? page.locator('body') : page).screenshot({ path: file });
  await page.close();
  console.log(`${path.relative(root, file)}: ${Math.round(readFileSync(file).length / 1024)} KiB`);
}

const executable = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => process.env.PATH.split(':').map((folder) => path.join(folder, name)))
  .find((file) => {
    try {
      return readFileSync(file).length > 0;
    } catch {
      return false;
    }
  });
if (!executable) throw new Error('Chromium is not on PATH');
mkdirSync(pictures, { recursive: true });
let board;
const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'] });
try {
  writeHost();
  board = await serveBoard();
  await shoot(browser, board.url, 'board', { width: 1160, height: 1060, wait: 'reserved' });
  await shoot(browser, board.url, 'board-phone', { width: 400, height: 860, colorScheme: 'dark', wait: 'reserved' });
  const page = path.join(directory, 'cost.html');
  gitlabSpot('cost', '--html', page, '--no-standing');
  await shoot(browser, `file://${page}`, 'cost', { width: 960, height: 1100 });
  const shown = path.join(directory, 'terminal.html');
  writeFileSync(shown, terminal([['jobs'], ['cost', '--by', 'project', '--no-standing']]));
  await shoot(browser, `file://${shown}`, 'terminal', { width: 1400, height: 400, body: true });
} finally {
  await browser.close();
  if (board) {
    const closed = once(board.child, 'close');
    board.child.kill();
    await closed;
  }
  rmSync(directory, { recursive: true, force: true });
}
