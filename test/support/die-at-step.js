/**
 * Preloaded (NODE_OPTIONS) into the product's own processes by the crash test: ends the process
 * with SIGKILL right before its nth step that anybody else can see: a change of the disk, a process
 * it starts, a call it makes. A plan is the file `PLANS/PROGRAM` or `PLANS/PROGRAM-JOB` (the job's
 * name), taken by the first process that it fits: `{ "step": 17, "family": true }`; with `family`
 * all that it has started die with it, with `after: "linkSync taken"` steps count once one that
 * begins so has been done. `PLANS/log` has a line of JSON for each: who died where, or how many
 * steps it had; `did` are the steps before.
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
  const did = [];
  const log = (more) => appendFileSync(path.join(directory, 'log'), `${JSON.stringify({ ...plan, ...more, did })}\n`);
  let steps = 0;
  const step = {
    begins(label) {
      if (plan.after === undefined || did.some((one) => one.startsWith(plan.after))) steps += 1;
      if (steps !== plan.step) return;
      log({ died: label });
      if (plan.family) descendants(process.pid).forEach(kill);
      kill(process.pid);
    },
    done: (label) => did.push(label),
  };
  process.on('exit', () => log({}));
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

/** A step that fails is one too, of another name: it changed nothing. */
function watch(module, names, step, about = (file) => path.basename(String(file))) {
  for (const name of names) {
    const original = module[name];
    module[name] = function (...args) {
      const label = `${name} ${about(...args)}`;
      step.begins(label);
      let done = `failed ${label}`;
      try {
        const result = original.apply(this, args);
        done = label;
        return result;
      } finally {
        step.done(done);
      }
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
