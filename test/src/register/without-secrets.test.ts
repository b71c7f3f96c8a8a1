import { withoutSecrets } from '../../../src/register/without-secrets';

test.each([
  ['  token = "glrt-a" # mine', '  token = "…" # mine'],
  ["  token = 'glrt-a'", '  token = "…"'],
  ['token="glrt-a"', 'token="…"'],
  ['\ttoken\t=\t"glrt-a"', '\ttoken\t=\t"…"'],
  ['"token" = "gl\\"rt-a"', '"token" = "…"'],
  ['token = """\nglrt-a"""', 'token = "…"'],
  ['s3 = { AccessKey = "id", SecretKey = \'glrt-a\' }', 's3 = { AccessKey = "…", SecretKey = "…" }'],
  ['cache.s3.SecretKey = "glrt-a"', 'cache.s3.SecretKey = "…"'],
  ['  bearer_token = "glrt-a"', '  bearer_token = "…"'],
  ['  password = "glrt-a"', '  password = "…"'],
  ['sentry_dsn = "https://glrt-a@sentry"', 'sentry_dsn = "…"'],
  ['AccountKey = "glrt-a"', 'AccountKey = "…"'],
  ['PrivateKey = "glrt-a"', 'PrivateKey = "…"'],
  [
    '  environment = ["A=glrt-a", \'B_1=]"glrt\', # C=glrt-a\n    "odd"]\n  shell = "bash"',
    '  environment = ["A=…", "B_1=…", #…\n    "…"]\n  shell = "bash"',
  ],
  ['"environment"=["A=glrt-a"]', '"environment"=["A=…"]'],
  ['MachineOptions = ["amazonec2-secret-key=glrt-a", "ssh"]', 'MachineOptions = ["amazonec2-secret-key=…", "…"]'],
  ['environment = []\nname = "a=b"', 'environment = []\nname = "a=b"'],
  ['token_expires_at = 0001-01-01T00:00:00Z', 'token_expires_at = 0001-01-01T00:00:00Z'],
  ['name = "token"\nurl = "http://g"', 'name = "token"\nurl = "http://g"'],
])('%j is shown as %j', (text, shown) => expect(withoutSecrets(text)).toBe(shown));
