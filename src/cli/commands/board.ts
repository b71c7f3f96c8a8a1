import { once } from 'node:events';
import { ConfigurationError } from '../../errors';
import { boardLine } from '../board-line';
import { jsonText } from '../../printable';
import { defineCommand } from '../command';

interface CommandLine {
  readonly port: number | undefined;
  readonly listen: string | undefined;
  readonly tokenFile: string | undefined;
  readonly json: boolean | undefined;
}

const PORT = 9750;

export const boardCommand = defineCommand<CommandLine>({
  command: 'board',
  describe: 'A live page of this host: what runs and waits, what it costs, what is wrong',
  builder: (yargs) =>
    yargs
      .options({
        port: { type: 'number', nargs: 1, describe: `Serve it at this port of 127.0.0.1 (default: ${PORT})` },
        listen: { type: 'string', nargs: 1, describe: 'Serve it at this address, such as 10.0.0.5:9750, with a token' },
        'token-file': {
          type: 'string',
          nargs: 1,
          describe: 'Who looks must show the token in this file (default: only where others reach the address)',
        },
        json: { type: 'boolean', describe: 'Print what the page shows now as JSON, and end' },
      })
      .conflicts('port', 'listen')
      .conflicts('json', ['port', 'listen', 'token-file']) as never,
  needs: { cloud: false, host: true },
  async run({ port, listen, tokenFile, json }, { settings, out, warn, signal }) {
    if (json) {
      const { BoardReader } = await import('../../board/reader');
      const reader = new BoardReader(settings);
      await reader.refresh({ whole: true });
      return out(`${jsonText(reader.snapshot())}\n`);
    }
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
      throw new ConfigurationError(`--port takes a number from 0 to 65535, not ${port}`);
    const { serve } = await import('../../board/serve');
    const served = await serve(settings, { listen: listen ?? `127.0.0.1:${port ?? PORT}`, tokenFile, warn });
    warn(boardLine(served));
    if (!signal.aborted) await once(signal, 'abort');
    await served.close();
  },
});
