import path from 'node:path';
import { CommandError } from '../errors';
import { pulumiHome, type Environment } from '../project/paths';
import { type StackConfig } from '../project/stack-config';
import {
  forgetKey,
  newCrypter,
  openCrypter,
  readPassphrase,
  WrongPassphrase,
  type Crypter,
} from '../secrets/passphrase';
import { type Deployment } from '../state/checkpoint';

/** Opens each salt once, and only when it is needed: deriving a key costs a quarter of a second. */
export class Keyring {
  private readonly opened = new Map<string, Promise<Crypter>>();
  private readonly keyFolder: string;

  constructor(private readonly env: Environment) {
    this.keyFolder = path.join(pulumiHome(env), 'derived-keys');
  }

  /** The key that belongs to a salt; throws WrongPassphrase. */
  open(salt: string): Promise<Crypter> {
    let crypter = this.opened.get(salt);
    if (!crypter) {
      crypter = openCrypter(readPassphrase(this.env), salt, this.keyFolder);
      // Whoever asks gets the error; nobody has to ask.
      crypter.catch(() => undefined);
      this.opened.set(salt, crypter);
    }
    return crypter;
  }

  /** For a stack that is removed. Without a passphrase, or with another provider, no key was kept. */
  forget(deployment: Deployment | undefined): void {
    try {
      const salt = stateSalt(deployment);
      if (salt !== undefined) forgetKey(readPassphrase(this.env), salt, this.keyFolder);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }

  async create(): Promise<Crypter> {
    const crypter = await newCrypter(readPassphrase(this.env), this.keyFolder);
    this.opened.set(crypter.salt, Promise.resolve(crypter));
    return crypter;
  }

  /**
   * The key with which a stack's secrets are written: of its configuration file, else of its state,
   * else a new one. Writes the salt into the configuration file when it is not there.
   */
  async forStack(config: StackConfig, deployment: Deployment | undefined): Promise<Crypter> {
    const salt = config.salt ?? stateSalt(deployment);
    const crypter = salt ? await this.open(salt) : await this.create();
    if (config.salt !== crypter.salt) {
      config.salt = crypter.salt;
      config.save();
    }
    return crypter;
  }

  /**
   * The key of the secrets in a state; throws CommandError when the state names another kind of
   * provider.
   */
  async forState(deployment: Deployment | undefined): Promise<Crypter> {
    const salt = stateSalt(deployment);
    if (!salt) throw new CommandError('the stack has secrets, but its state names no secrets provider');
    try {
      return await this.open(salt);
    } catch (error) {
      if (!(error instanceof WrongPassphrase)) throw error;
      throw new WrongPassphrase(
        'failed to decrypt: incorrect passphrase, please set PULUMI_CONFIG_PASSPHRASE to the correct passphrase or set ' +
          'PULUMI_CONFIG_PASSPHRASE_FILE to a file containing the passphrase',
      );
    }
  }
}

/**
 * The salt of a state's passphrase provider; throws CommandError for a provider that the sandbox
 * has not.
 */
export function stateSalt(deployment: Deployment | undefined): string | undefined {
  const provider = deployment?.secrets_providers;
  if (!provider) return undefined;
  if (provider.type !== 'passphrase') {
    throw new CommandError(
      `secrets provider '${provider.type}' is not supported by the sandbox's engine; use passphrase`,
    );
  }
  return provider.state?.['salt'];
}
