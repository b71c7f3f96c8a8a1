import { once } from 'node:events';
import { boardLine } from '../board-line';
import { defineCommand, type CommandContext } from '../command';

interface CommandLine {
  readonly textfile: string | undefined;
  readonly listen: string | undefined;
}

export const metricsCommand = defineCommand<CommandLine>({
  command: 'metrics',
  describe: "This host's metrics for Prometheus: printed, as a file, or over HTTP",
  builder: (yargs) =>
    yargs
      .options({
        textfile: {
          type: 'string',
          nargs: 1,
          describe: "Write them to this file (*.prom), whole, for node_exporter's textfile collector",
        },
        listen: {
          type: 'string',
          nargs: 1,
          describe: 'Serve /metrics and the board at this address, such as 127.0.0.1:9750, until it is ended',
        },
      })
      .conflicts('textfile', 'listen') as never,
  needs: { cloud: false, host: true },
  async run({ textfile, listen }, context) {
    if (listen !== undefined) return serveBoth(listen, context);
    const { collectMetrics } = await import('../../metrics/collect');
    const text = await collectMetrics(context.settings);
    if (textfile === undefined) return context.out(text);
    const { writePublic } = await import('../../host/private-file');
    writePublic(textfile, text);
  },
});

async function serveBoth(listen: string, { settings, signal, warn }: CommandContext): Promise<void> {
  const { serve } = await import('../../board/serve');
  const served = await serve(settings, { listen, tokenFile: undefined, warn });
  warn(`metrics: ${served.url}/metrics`);
  warn(boardLine(served));
  if (!signal.aborted) await once(signal, 'abort');
  await served.close();
}
