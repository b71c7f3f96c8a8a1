import Module, { createRequire } from 'node:module';
import { usePackedModules } from '../host/module-pack';

/**
 * What Pulumi's SDK loads for programs that turn functions into text, which ours never do: a
 * TypeScript compiler and npm's resolver, 0.3 s and 60 MB of each `up`. By module, with those
 * functions of it that others take up while they are loaded themselves.
 */
const DEFERRED: Readonly<Record<string, readonly string[]>> = {
  '@pulumi/pulumi/typescript-shim.js': [],
  '@pulumi/pulumi/runtime/closure/codePaths.js': ['computeCodePaths'],
};

/**
 * Pulumi's Automation API, without those parts: whoever uses one loads it. A version of the SDK
 * that does not have them is loaded as it is.
 */
export function loadAutomation() {
  usePackedModules('sdk');
  deferUnusedParts();
  neverByProxyToOurselves();
  return import('@pulumi/pulumi/automation');
}

/**
 * The engine that a program talks to listens on this host. gRPC for Node asks a proxy (https_proxy,
 * http_proxy) even for that, as Go never does: the job would end with the proxy's refusal.
 * https://github.com/grpc/grpc-node/blob/master/doc/environment_variables.md
 */
function neverByProxyToOurselves(): void {
  const { no_grpc_proxy: ofGrpc, no_proxy: lower, NO_PROXY: upper } = process.env;
  const hosts = (ofGrpc || lower || upper || '').split(',').filter((host) => host !== '');
  process.env.no_grpc_proxy = [...new Set([...hosts, '127.0.0.1', 'localhost'])].join(',');
}

function deferUnusedParts(): void {
  const require = createRequire(__filename);
  for (const [name, functions] of Object.entries(DEFERRED)) {
    let file: string;
    try {
      file = require.resolve(name);
    } catch {
      continue;
    }
    if (require.cache[file]) continue;
    const standIn = new Module(file);
    standIn.loaded = true;
    standIn.exports = lazily(() => {
      if (require.cache[file] === standIn) delete require.cache[file];
      return require(file) as Exports;
    }, functions);
    require.cache[file] = standIn;
  }
}

type Exports = Record<PropertyKey, unknown>;

function lazily(load: () => Exports, functions: readonly string[]): object {
  return new Proxy(
    {},
    {
      get: (_target, key) =>
        functions.includes(String(key))
          ? (...args: unknown[]) => (load()[key] as (...args: unknown[]) => unknown)(...args)
          : load()[key],
      has: (_target, key) => key in load(),
    },
  );
}
