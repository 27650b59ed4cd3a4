/** The body of `tritune monitor --web`: opens the page, prints its address, waits for Ctrl-C. */
import { type Job, type JobState, openWebMonitor, type WebMonitorOptions } from '../../plugins/monitor/mod.ts'
import { ownFile } from '../init/own-file.ts'
import { stopSignal } from '../serve/stop-signal.ts'
import { err, out } from '../terminal/streams.ts'
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
  const waited = new Set(monitor.jobs.list().flatMap(({ run, state }) => (isOver(state) ? [] : [run])))
  if (waited.size > 0) err.write('waiting for the run that was started here to stop after its step\n')
  await monitor.close()
  for (const job of monitor.jobs.list()) if (waited.has(job.run)) err.write(`${endOf(job)}\n`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isOver(state: JobState): boolean {
  return state !== 'initializing' && state !== 'running'
}

/** How a run ended, and what to type now. */
function endOf({ name, state, text, error, command }: Job): string {
  if (state === 'failed') return `${name} failed: ${String(error?.['what'] ?? error?.['message'] ?? text)}`
  return `${name}: ${text}${command === null ? '' : `\n  ${command}`}`
}
