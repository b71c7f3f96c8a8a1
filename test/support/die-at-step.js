/**
 * Preloaded (NODE_OPTIONS) into the product's own processes by the crash test: ends the process
 * with SIGKILL right before its nth step that anybody else can see: a change of the disk, a process
 * it starts, a call it makes. A plan is the file `PLANS/PROGRAM` or `PLANS/PROGRAM-JOB` (the job's
 * name), taken by the first process that it fits: `{ "step": 17, "family": true }`; with `family`
 * all that it has started die with it. `PLANS/log` tells who died where, and how many steps the
 * others had.
 */
'use strict';
const childProcess = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');

const { appendFileSync, readdirSync, readFileSync, renameSync } = fs;
const directory = process.env.CRASH_PLANS;
const script = path.basename(process.argv[1] ?? '');
const program = {
  'report-queued.js': 'queued',
  'prepare.js': 'prepare',
  'up.js': 'up',
  'run.js': 'run',
  'cleanup.js': 'cleanup',
  'destroyer.js': 'destroyer',
  'keeper.js': 'keeper',
  'gitlab-spot.js': 'reap',
}[script];
if (directory && program) follow(program, process.env.CUSTOM_ENV_CI_JOB_NAME);

function follow(program, jobName) {
  const plan = taken(jobName === undefined ? program : `${program}-${jobName}`);
  if (!plan) return;
  const log = (words) => appendFileSync(path.join(directory, 'log'), `${plan.name} ${words}\n`);
  let steps = 0;
  const step = (label) => {
    steps += 1;
    if (steps !== plan.step) return;
    log(`died at step ${steps}: ${label}`);
    if (plan.family) descendants(process.pid).forEach(kill);
    kill(process.pid);
  };
  process.on('exit', () => log(`ended after ${steps} steps`));
  watch(fs, ['writeFileSync', 'writeSync', 'renameSync', 'rmSync', 'unlinkSync', 'linkSync', 'mkdirSync'], step);
  watch(fs, ['writeFile', 'write', 'rename', 'rm', 'unlink', 'mkdir'], step);
  watch(fs.promises, ['writeFile', 'rename', 'rm', 'unlink', 'mkdir'], step);
  watch(childProcess, ['spawn'], step, (_file, args = []) => args.slice(0, 3).join(' '));
  for (const module of [http, https])
    watch(module, ['request'], step, (options) => /Action=(\w+)/.exec(options?.path ?? '')?.[1] ?? '');
}

function taken(name) {
  const file = path.join(directory, name);
  try {
    renameSync(file, `${file}.taken`);
    return { name, ...JSON.parse(readFileSync(`${file}.taken`, 'utf8')) };
  } catch {
    return undefined;
  }
}

function watch(module, names, step, about = (file) => path.basename(String(file))) {
  for (const name of names) {
    const original = module[name];
    module[name] = function (...args) {
      step(`${name} ${about(...args)}`);
      return original.apply(this, args);
    };
  }
}

function descendants(pid) {
  const parents = new Map();
  for (const entry of readdirSync('/proc')) {
    try {
      const stat = readFileSync(`/proc/${Number(entry)}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // No process, or one that has ended.
    }
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found.slice(1);
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
