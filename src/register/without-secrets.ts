const KEYS = '\\w*token|\\w*password|sentry_dsn|AccessKey|SecretKey|SessionToken|AccountKey|PrivateKey';
const STRING = `"""[^]*?"{3,5}|'''[^]*?'{3,5}|"(?:[^"\\\\\\n]|\\\\.)*"|'[^'\\n]*'`;
const SECRET = new RegExp(`((?:^|[\\s.{,"'])(?:${KEYS})["']?[ \\t]*=[ \\t]*)(?:${STRING})`, 'g');
/** What a runner sets for all of its jobs, or docker-machine for its machines, `NAME=value` each. */
const ENVIRONMENT = new RegExp(
  `(?<=(?:^|[\\s.{,"'])(?:environment|MachineOptions)["']?[ \\t]*=[ \\t]*)\\[(?:\\s|,|#.*\\n|${STRING})*\\]`,
  'g',
);
const VALUE = new RegExp(`#.*|${STRING}`, 'g');

/** config.toml for a person's eyes: with a secret of no runner in it, however it is quoted. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRET, '$1"…"').replace(ENVIRONMENT, (list) => list.replace(VALUE, withoutValue));
}

function withoutValue(string: string): string {
  if (string.startsWith('#')) return '#…';
  const name = /^["']+([\w.-]+)=/.exec(string)?.[1];
  return name === undefined ? '"…"' : `"${name}=…"`;
}
