import { utils } from 'ssh2';

/**
 * An ed25519 pair in OpenSSH's form. ssh2 1.17 writes about one in 300 so that nobody can read it:
 * those are thrown away.
 */
export function generateKeyPair(): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = utils.generateKeyPairSync('ed25519', { comment: 'sandbox' });
    if (!(utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}
