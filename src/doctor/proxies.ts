import { hasProxy, proxyFor } from '../web/proxy';
import { good, type Finding } from './finding';

/**
 * By which way this host's own calls go. Nothing where no proxy is set. @throws ConfigurationError
 * for a proxy that is no URL
 */
export function proxies(
  urls: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>>,
): readonly Finding[] {
  if (!hasProxy(environment)) return [];
  const ways = Object.entries(urls).map(([what, url]) => {
    const proxy = proxyFor(url, environment);
    return `${what} ${proxy === undefined ? 'directly' : `through ${proxy.host}`}`;
  });
  return [good('proxy', ways.join(', '))];
}
