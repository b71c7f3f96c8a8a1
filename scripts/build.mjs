// Bundles every entry point into one file of dist/, so that a hook starts without reading hundreds
// of modules.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { chmod, copyFile, cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/**
 * Entry point (source) to executable (below dist/). A missing source is skipped, so that rooms can
 * be built alone.
 */
const entries = {
  'executor/config.ts': 'executor/config.js',
  'executor/prepare.ts': 'executor/prepare.js',
  'executor/up.ts': 'executor/up.js',
  'executor/report-queued.ts': 'executor/report-queued.js',
  'executor/run.ts': 'executor/run.js',
  'src/stages/instance-lookup.ts': 'code/instance-lookup.js',
  'executor/cleanup.ts': 'executor/cleanup.js',
  'executor/destroyer.ts': 'executor/destroyer.js',
  'executor/keeper.ts': 'executor/keeper.js',
  'executor/check-job-stack.ts': 'executor/check-job-stack.js',
  'src/cli/gitlab-spot.ts': 'cli/gitlab-spot.js',
  'bench/bench.ts': 'bench/bench.js',
  'bench/scale.ts': 'bench/scale.js',
  'sandbox/sandbox.ts': 'sandbox/sandbox.js',
  'sandbox/demo.ts': 'sandbox/demo.js',
  'sandbox/cloud/main.ts': 'sandbox/cloud.js',
  'sandbox/instance/host.ts': 'sandbox/instance-host.js',
  'sandbox/engine/main.ts': 'sandbox/bin/pulumi',
  'sandbox/provider/main.ts': 'sandbox/bin/pulumi-resource-alicloud',
  'sandbox/runner/helper/main.ts': 'sandbox/bin/gitlab-runner',
  'sandbox/runner/main.ts': 'sandbox/runner.js',
  'sandbox/instance/docker/main.ts': 'sandbox/bin-instance/docker',
};
/** An instance's PATH may not have the folder that holds this host's node. */
const anyNode = `#!/bin/sh\n':' //; exec "$(command -v node || echo '${process.execPath}')" "$0" "$@"`;
/**
 * A hook holds a key in its memory, which must not lie in a core dump; node can't set that limit
 * for itself.
 */
const hook = `#!/bin/sh\n':' //; ulimit -c 0; exec node "$0" "$@"`;
/**
 * Node 20 reads all its certificate authorities at each start, 30 ms of CPU, where it is told of one
 * more. A hook that mostly connects to no server by TLS is told later (src/hooks/run-hook.ts), and then
 * reads them at its first connection (src/web/certificates.ts).
 */
const hookWithoutTls = hook.replace(
  'exec',
  '[ -z "${NODE_EXTRA_CA_CERTS-}" ] || export GITLAB_SPOT_LATER_CA_CERTS="$NODE_EXTRA_CA_CERTS"; unset NODE_EXTRA_CA_CERTS; exec',
);
/**
 * Hooks whose bundle lies in dist/code/, below the same name: what is started compiles it as an
 * earlier run has left it (src/host/code-cache.ts). The config hook names the folder for that, so it
 * has none itself.
 */
const compiledOnce = ['prepare', 'up', 'report-queued', 'run', 'cleanup', 'destroyer', 'keeper'].map(
  (name) => `executor/${name}.ts`,
);
const bannerOf = {
  'executor/config.ts': hookWithoutTls,
  'executor/run.ts': hookWithoutTls,
  'executor/cleanup.ts': hookWithoutTls,
  'sandbox/runner/helper/main.ts': anyNode,
  'sandbox/instance/docker/main.ts': anyNode,
};

/** Kept out of the bundles: what loads itself by path or ships native code. */
const external = ['@pulumi/*', '@grpc/grpc-js', 'google-protobuf', 'typescript', 'cpu-features', '*.node', 'esbuild'];
/**
 * Kept out of single bundles: ssh2 ciphers a machine's traffic several times faster with its own
 * native code.
 */
const externalOf = { 'sandbox/instance/host.ts': ['ssh2'] };

/**
 * Started several times a job, so with gRPC in the bundle: one file to read instead of hundreds.
 */
const selfContained = ['sandbox/engine/main.ts'];

/**
 * What the run hook loads only in need is a bundle of its own beside it: reading the cloud's client
 * would slow each stage down.
 */
const besideTheRunHook = {
  name: 'beside-the-run-hook',
  setup(build) {
    build.onResolve({ filter: /\/stages\/instance-lookup$/ }, () => ({ path: './instance-lookup.js', external: true }));
  },
};

/**
 * The variant of yargs for `import` breaks help's lines in the middle of words; that of node-ssh
 * names an export that isn't there. Those for `require` do neither.
 */
const variantsForRequire = {
  name: 'variants-for-require',
  setup(build) {
    const require = createRequire(import.meta.url);
    build.onResolve({ filter: /^(yargs(\/helpers)?|node-ssh)$/ }, ({ path: name }) => ({
      path: require.resolve(name),
    }));
  },
};

/**
 * What a hook of ours never uses of its libraries, and would load at each stage all the same: SFTP,
 * agents, keys with a passphrase, ciphers other than node's own (src/ssh/client.ts names those that
 * are offered), compression, threads, names of servers.
 */
const unused = {
  // node-ssh names the whole package, of which it uses the client.
  'ssh2/lib/index.js': "module.exports = { Client: require('./client.js') };",
  'ssh2/lib/protocol/SFTP.js': 'module.exports = { SFTP: class {} };',
  'ssh2/lib/agent.js': 'module.exports = { AgentContext: class {}, createAgent: () => {}, isAgent: () => false };',
  'ssh2/lib/protocol/crypto/poly1305.js':
    'module.exports = async () => ({ _malloc: () => 0, cwrap: () => () => { throw new Error("not in this bundle"); } });',
  'bcrypt-pbkdf/index.js': 'module.exports = {};',
  'cpu-features': 'module.exports = () => {};',
  worker_threads: 'module.exports = { threadId: 0 };',
  zlib: 'module.exports = { createInflate: () => ({ _handle: {} }), constants: {} };',
  dns: 'module.exports = {};',
};
/** Whole packages that node-ssh uses for files and folders over SFTP. */
const unusedPackage = /\/node_modules\/(is-stream|make-dir|sb-promise-queue|sb-scandir|shell-escape)\//;
const withoutUnused = {
  name: 'without-unused',
  setup(build) {
    build.onLoad({ filter: /\/node_modules\/(ssh2|bcrypt-pbkdf)\// }, ({ path: file }) => {
      const contents = unused[file.split('/node_modules/').at(-1)];
      return contents === undefined ? undefined : { contents };
    });
    build.onLoad({ filter: unusedPackage }, () => ({ contents: 'module.exports = {};' }));
    build.onResolve({ filter: /^(cpu-features|worker_threads|zlib|dns)$/ }, ({ path: name, importer }) =>
      /\/node_modules\/(ssh2|write-file-atomic)\//.test(importer) ? { path: name, namespace: 'unused' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path: name }) => ({ contents: unused[name] }));
  },
};

const staging = path.join(root, `dist.${process.pid}`);
const target = path.join(root, 'dist');

await mkdir(staging, { recursive: true });
// Which stacks/job.ts the bundles carry, and what it imports (src/engine/job-source.ts). Taken before
// they are made: an edit meanwhile counts as one that isn't built.
await cp(path.join(root, 'stacks'), path.join(staging, 'stacks'), { recursive: true });

/** What the runner starts of a hook that is compiled once. */
async function starter(started, code, banner) {
  const digest = createHash('sha256')
    .update(await readFile(code))
    .digest('hex')
    .slice(0, 16);
  const file = `__dirname + '/../code/${path.basename(code)}'`;
  await build({
    stdin: {
      contents: `import { runCompiled } from './src/host/code-cache';
        runCompiled({ file: require.resolve(${file}), digest: '${digest}' }, { require, module });`,
      resolveDir: root,
      loader: 'ts',
    },
    outfile: started,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    banner: { js: banner },
    minify: true,
    logLevel: 'error',
  });
}

async function bundle(source, out) {
  const started = path.join(staging, out);
  const isCompiledOnce = compiledOnce.includes(source);
  const banner = bannerOf[source] ?? (source.startsWith('executor/') ? hook : '#!/usr/bin/env node');
  const outfile = isCompiledOnce ? path.join(staging, 'code', path.basename(out)) : started;
  await mkdir(path.dirname(outfile), { recursive: true });
  await mkdir(path.dirname(started), { recursive: true });
  await build({
    entryPoints: [path.join(root, source)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // What is left out of the bundle is CommonJS, and is found as such (folders included) only by
    // require.
    supported: { 'dynamic-import': false },
    external: selfContained.includes(source) ? ['*.node'] : [...external, ...(externalOf[source] ?? [])],
    banner: isCompiledOnce ? {} : { js: banner },
    loader: { '.sh': 'text', '.html': 'text', '.css': 'text', '.yaml': 'text' },
    // A hook is read anew at each stage; names stay, for what GITLAB_SPOT_VERBOSE shows.
    minifyWhitespace: source.startsWith('executor/') || selfContained.includes(source),
    minifySyntax: source.startsWith('executor/'),
    plugins: [
      variantsForRequire,
      ...(source.startsWith('executor/') ? [withoutUnused] : []),
      ...(source === 'executor/run.ts' ? [besideTheRunHook] : []),
    ],
    logLevel: 'warning',
    absWorkingDir: root,
  });
  if (isCompiledOnce) await starter(started, outfile, banner);
  await chmod(started, 0o755);
}

await Promise.all(
  Object.entries(entries)
    .filter(([source]) => existsSync(path.join(root, source)))
    .map(([source, out]) => bundle(source, out)),
);
const front = path.join(staging, 'executor/prepare');
await copyFile(path.join(root, 'executor/prepare.sh'), front);
await chmod(front, 0o755);
// A build that runs beside a demo or a test must never show them half a dist/.
const old = path.join(root, `dist.old.${process.pid}`);
if (existsSync(target)) await rename(target, old);
await rename(staging, target);
await rm(old, { recursive: true, force: true });
