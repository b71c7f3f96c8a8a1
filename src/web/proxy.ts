import { BlockList, isIP } from 'node:net';
import { ConfigurationError } from '../errors';

type Environment = Readonly<Record<string, string>>;

/**
 * The proxy by which a URL is asked, as Go's ProxyFromEnvironment finds it, which Pulumi and
 * gitlab-runner use: HTTPS_PROXY for https, HTTP_PROXY for http, in upper case before lower case,
 * and not for what NO_PROXY names, nor for this host itself.
 * https://pkg.go.dev/golang.org/x/net/http/httpproxy
 * @throws ConfigurationError for a proxy that is no URL, or of a kind that we can't use.
 */
export function proxyFor(url: string, environment: Environment): URL | undefined {
  const { protocol, hostname, port } = new URL(url);
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = either(environment, name);
  if (proxy === '' || isExempt(hostname, port || (protocol === 'https:' ? '443' : '80'), environment)) return undefined;
  return parseProxy(name, proxy);
}

/** Is any proxy named at all? */
export function hasProxy(environment: Environment): boolean {
  return ['HTTPS_PROXY', 'HTTP_PROXY'].some((name) => either(environment, name) !== '');
}

/** The value of NO_PROXY. */
export function noProxy(environment: Environment): string {
  return either(environment, 'NO_PROXY');
}

function either(environment: Environment, name: string): string {
  return (environment[name] || environment[name.toLowerCase()] || '').trim();
}

/** A proxy's URL may hold a password, so a message never repeats it. */
function parseProxy(name: string, text: string): URL {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const remedy = `Set ${name} to a URL such as http://proxy.example.com:3128.`;
  if (!URL.canParse(withScheme)) throw new ConfigurationError(`${name} is no URL`, { remedy });
  const url = new URL(withScheme);
  if (/^https?:$/.test(url.protocol) && url.hostname !== '') return url;
  throw new ConfigurationError(`${name} names a proxy of the kind ${url.protocol.slice(0, -1)}, not of http or https`, {
    remedy,
  });
}

function isExempt(hostname: string, port: string, environment: Environment): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || isLoopback(host)) return true;
  const entries = noProxy(environment)
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '');
  return entries.some((entry) => entry === '*' || matches(entry, host, port));
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** One entry of NO_PROXY: a range, an address or a name, the latter two with a port or without. */
function matches(entry: string, host: string, port: string): boolean {
  const range = /^([^/]+)\/(\d{1,3})$/.exec(entry);
  if (range) return isIP(host) !== 0 && contains(range[1]!, Number(range[2]), host);
  const [, bracketed, plain, wantedPort] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [
    '',
    undefined,
    entry,
    undefined,
  ];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const name = bracketed ?? plain ?? '';
  if (isIP(name) !== 0) return contains(name, isIP(name) === 4 ? 32 : 128, host);
  // A name stands for itself and all below it; with a dot or `*.` before it, for those below it
  // alone.
  const suffix = name.replace(/^\*(?=\.)/, '');
  if (suffix === '') return false;
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function contains(network: string, bits: number, host: string): boolean {
  const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  if (isIP(network) === 0 || isIP(host) !== isIP(network) || bits > (isIP(network) === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family(network));
  return list.check(host, family(host));
}
