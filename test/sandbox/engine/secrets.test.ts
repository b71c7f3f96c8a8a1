import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithFixtures, fixture } from '../../support/fixtures';
import { newCrypter, openCrypter, readPassphrase, WrongPassphrase } from '../../../sandbox/engine/secrets/passphrase';
import {
  holdsSecret,
  isSecret,
  keepSecrets,
  mask,
  reveal,
  secret,
  SecretSealer,
  SECRET,
  SIGNATURE,
} from '../../../sandbox/engine/secrets/envelope';
import { type Checkpoint } from '../../../sandbox/engine/state/checkpoint';

describe('the passphrase provider', () => {
  it('decrypts what it encrypted, with the key of the same passphrase and salt', async () => {
    const made = await newCrypter('tr0ub4dor');
    const opened = await openCrypter('tr0ub4dor', made.salt);
    expect(opened.decrypt(made.encrypt('a secret: ✓'))).toBe('a secret: ✓');
    expect(made.salt).toMatch(/^v1:[A-Za-z0-9+/=]{12}:v1:[A-Za-z0-9+/=]{16}:[A-Za-z0-9+/=]+$/);
  });

  it('keeps a derived key for the next command, where nobody else can read it', async () => {
    const folder = path.join(mkdtempSync(path.join(tmpdir(), 'keys-')), 'derived-keys');
    const { salt } = await newCrypter('kept', folder);
    const [name] = readdirSync(folder);
    const file = path.join(folder, name!);
    expect(statSync(file)).toMatchObject({ size: 32, mode: 0o100600 });
    // Another key in its place is taken: it is what the next command reads.
    writeFileSync(file, Buffer.alloc(32));
    jest.resetModules();
    const next = await import('../../../sandbox/engine/secrets/passphrase');
    await expect(next.openCrypter('kept', salt, folder)).rejects.toThrow('incorrect passphrase');
    rmSync(path.dirname(folder), { recursive: true });
  });

  it('never encrypts the same text to the same ciphertext', async () => {
    const crypter = await newCrypter('x');
    expect(crypter.encrypt('same')).not.toBe(crypter.encrypt('same'));
  });

  it('says that a passphrase is wrong', async () => {
    const { salt } = await newCrypter('right');
    await expect(openCrypter('wrong', salt)).rejects.toThrow(new WrongPassphrase('incorrect passphrase'));
  });

  it.each([
    ['nonsense', 'malformed state value'],
    ['v2:AAAA:v1:BBBB:CCCC', 'unknown state version'],
  ])('says that the salt %s is not one', async (salt, message) => {
    await expect(openCrypter('x', salt)).rejects.toThrow(message);
  });

  it('asks for a passphrase that is nowhere', () => {
    expect(() => readPassphrase({})).toThrow(
      'passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables',
    );
  });

  it('names a passphrase file that cannot be read', () => {
    expect(() => readPassphrase({ PULUMI_CONFIG_PASSPHRASE_FILE: '/nowhere/phrase' })).toThrow(
      /unable to read PULUMI_CONFIG_PASSPHRASE_FILE: .*\/nowhere\/phrase/,
    );
  });

  it('takes the empty passphrase as one', () => {
    expect(readPassphrase({ PULUMI_CONFIG_PASSPHRASE: '', PULUMI_CONFIG_PASSPHRASE_FILE: '/nowhere' })).toBe('');
  });
});

describeWithFixtures('secrets that the real engine wrote', 'pulumi', () => {
  it('can be read', async () => {
    const { latest } = (JSON.parse(fixture('pulumi/checkpoint-after-up.json')) as Checkpoint).checkpoint;
    const crypter = await openCrypter('p', latest!.secrets_providers!.state!['salt']!);
    const instance = latest!.resources!.find(({ type }) => type.endsWith(':Instance'))!;
    const opened = new SecretSealer(() => crypter).open(instance.outputs!);
    expect(opened['password']).toEqual(secret(''));
  });
});

describe('secret values', () => {
  const wrapped = { [SIGNATURE]: SECRET, value: [1, { a: 'b' }] };

  it('are recognised wherever they stand', () => {
    expect(isSecret(secret('x'))).toBe(true);
    expect(holdsSecret({ list: [{ deep: secret(1) }] })).toBe(true);
    expect(holdsSecret({ list: [{ deep: 1 }] })).toBe(false);
  });

  it('are wrapped once', () => {
    expect(secret(secret('x'))).toEqual(secret('x'));
  });

  it('show what they hold, or nothing of it', () => {
    expect(reveal({ k: [wrapped] })).toEqual({ k: [[1, { a: 'b' }]] });
    expect(mask({ k: [wrapped], open: 1 })).toEqual({ k: ['[secret]'], open: 1 });
  });

  it('stay secret in the answer of a provider that knows no secrets', () => {
    expect(
      keepSecrets({ key: 'k', list: ['a', 'b'], open: 1 }, { key: secret('k'), list: ['a', secret('b')] }),
    ).toEqual({
      key: secret('k'),
      list: ['a', secret('b')],
      open: 1,
    });
  });

  it('keep their ciphertext in a state as long as they do not change', async () => {
    const crypter = await newCrypter('x');
    const sealer = new SecretSealer(() => crypter);
    const sealed = sealer.seal({ a: secret('one'), b: secret('two') });
    const reader = new SecretSealer(() => crypter);
    expect(reader.seal({ ...reader.open(sealed), c: secret('three') })).toMatchObject(sealed);
    expect(JSON.stringify(sealed)).not.toMatch(/one|two/);
  });
});
