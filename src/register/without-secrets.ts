const KEYS = 'token|AccessKey|SecretKey|SessionToken|AccountKey|PrivateKey';
const STRING = `"""[^]*?"{3,5}|'''[^]*?'{3,5}|"(?:[^"\\\\\\n]|\\\\.)*"|'[^'\\n]*'`;
const SECRET = new RegExp(`((?:^|[\\s.{,"'])(?:${KEYS})["']?[ \\t]*=[ \\t]*)(?:${STRING})`, 'g');

/** config.toml for a person's eyes: with a secret of no runner in it, however it is quoted. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRET, '$1"…"');
}
