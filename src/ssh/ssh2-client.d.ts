/** ssh2's client alone: the package's index also loads its server, key generator and HTTP agents, which a hook's start would pay for. */
declare module 'ssh2/lib/client.js' {
  import { Client } from 'ssh2';
  export = Client;
}
