import { once } from 'node:events';
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
          describe: 'Serve /metrics at this address, such as 127.0.0.1:9750, until it is ended',
        },
      })
      .conflicts('textfile', 'listen') as never,
  needs: { cloud: false },
  async run({ textfile, listen }, context) {
    const { collectMetrics } = await import('../../metrics/collect');
    const collect = () => collectMetrics(context.settings);
    if (listen !== undefined) return serve(listen, collect, context);
    const text = await collect();
    if (textfile === undefined) return context.out(text);
    const { writePublic } = await import('../../host/private-file');
    writePublic(textfile, text);
  },
});

async function serve(listen: string, collect: () => Promise<string>, { signal, warn }: CommandContext): Promise<void> {
  const { serveMetrics } = await import('../../metrics/server');
  const server = await serveMetrics({ listen, collect, warn });
  warn(`metrics: ${server.url}/metrics`);
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
}
