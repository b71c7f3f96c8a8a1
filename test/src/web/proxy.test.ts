import { proxyFor } from '../../../src/web/proxy';

/** As the tests of golang.org/x/net/http/httpproxy have it. */
describe('the proxy for a URL', () => {
  const HTTPS_PROXY = 'http://proxy.example.com:3128';
  const found = (url: string, environment: Record<string, string>) => proxyFor(url, environment)?.href;

  test.each<[string, Record<string, string>, string | undefined]>([
    ['https://ecs.aliyuncs.com/', { HTTPS_PROXY }, 'http://proxy.example.com:3128/'],
    ['https://ecs.aliyuncs.com/', { https_proxy: HTTPS_PROXY }, 'http://proxy.example.com:3128/'],
    ['https://ecs.aliyuncs.com/', { HTTPS_PROXY, https_proxy: 'http://other:1' }, 'http://proxy.example.com:3128/'],
    ['https://ecs.aliyuncs.com/', { HTTP_PROXY: HTTPS_PROXY }, undefined],
    ['http://gitlab.lan/', { HTTPS_PROXY }, undefined],
    ['http://gitlab.lan/', { http_proxy: 'proxy.lan:8080' }, 'http://proxy.lan:8080/'],
    ['https://ecs.aliyuncs.com/', { HTTPS_PROXY: '' }, undefined],
    ['https://ecs.aliyuncs.com/', { HTTPS_PROXY: 'https://user:p%40ss@proxy:8443' }, 'https://user:p%40ss@proxy:8443/'],
  ])('%s with %j', (url, environment, expected) => expect(found(url, environment)).toBe(expected));

  test.each(['http://localhost:80/', 'http://127.0.0.1:8668/', 'http://127.9.9.9/', 'http://[::1]:1/'])(
    'is none for this host itself: %s',
    (url) => expect(found(url, { HTTP_PROXY: 'http://proxy:1' })).toBeUndefined(),
  );

  test.each<[string, string, boolean]>([
    ['*', 'https://ecs.aliyuncs.com/', false],
    ['example.com', 'https://example.com/', false],
    ['example.com', 'https://git.example.com/', false],
    ['example.com', 'https://notexample.com/', true],
    ['.example.com', 'https://git.example.com/', false],
    ['.example.com', 'https://example.com/', true],
    ['*.example.com', 'https://git.example.com/', false],
    ['*.example.com', 'https://example.com/', true],
    ['EXAMPLE.com', 'https://Example.COM/', false],
    ['example.com:8443', 'https://example.com:8443/', false],
    ['example.com:8443', 'https://example.com/', true],
    ['example.com:443', 'https://example.com/', false],
    [' other.lan , example.com ,', 'https://example.com/', false],
    ['100.100.100.200', 'https://100.100.100.200/', false],
    ['100.100.100.200:80', 'https://100.100.100.200/', true],
    ['10.0.0.0/8', 'https://10.20.30.40/', false],
    ['10.0.0.0/8', 'https://11.0.0.1/', true],
    ['10.0.0.0/8', 'https://ten.example.com/', true],
    ['10.0.0.0/99', 'https://10.20.30.40/', true],
    ['fd00::/8', 'https://[fd12::1]/', false],
    ['fd00::/8', 'https://[fe80::1]/', true],
    ['[fd12::1]:443', 'https://[fd12::1]/', false],
    ['fd12::1', 'https://[fd12::1]:8443/', false],
    [':443', 'https://example.com/', true],
  ])('with NO_PROXY %j for %s: through it is %j', (NO_PROXY, url, through) => {
    expect(found(url, { HTTPS_PROXY, NO_PROXY }) !== undefined).toBe(through);
    expect(found(url, { HTTPS_PROXY, no_proxy: NO_PROXY }) !== undefined).toBe(through);
  });

  test.each(['socks5://user:hush@proxy:1080', 'http://user:hush@:80', 'http://user:hush@proxy:port'])(
    'that we can not use is told without its password: %s',
    (HTTPS_PROXY) => {
      expect(() => found('https://example.com/', { HTTPS_PROXY })).toThrow(/^HTTPS_PROXY (is no URL|names a proxy of)/);
      expect(() => found('https://example.com/', { HTTPS_PROXY })).not.toThrow(/hush/);
    },
  );
});
