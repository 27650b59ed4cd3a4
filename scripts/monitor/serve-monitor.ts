/** The body of `tritune monitor --web`: opens the page, prints its address, waits for Ctrl-C. */
import { openWebMonitor, type WebMonitorOptions } from '../../plugins/monitor/mod.ts'
import { ownFile } from '../init/own-file.ts'
import { stopSignal } from '../serve/stop-signal.ts'
import { err, out } from '../_streams.ts'
import { ownCommand } from './own-command.ts'

export async function serveMonitor(
  options: Pick<WebMonitorOptions, 'roots' | 'host' | 'port' | 'allowedHosts'>,
): Promise<void> {
  const monitor = await openWebMonitor({
    ...options,
    tritune: ownCommand(),
    offered: {
      models: [{ name: ownFile('quickstart/model'), bytes: null }],
      files: [{ name: ownFile('quickstart/moby-dick.train.jsonl'), bytes: null }],
    },
    onBug: (error) =>
      err.write(`a bug of the page: ${error instanceof Error ? error.stack : String(error)}\n`),
  })
  out.write(`${monitor.url}\n`)
  out.write(`runs of ${options.roots.join(', ')}; Ctrl-C ends it\n`)
  await stopSignal()
  if (monitor.jobs.isBusy()) err.write('waiting for the run that was started here to stop after its step\n')
  await monitor.close()
}
