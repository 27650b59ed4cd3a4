/**
 * Watches runs while they go. Thin: reads arguments, calls plugins/monitor, prints the address.
 */
import { TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import { type Command, numberOption, PORT } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'

const help =
  (): string => `Watch runs while they go: curves, samples, what happened; pause, save, stop them, change the learning rate.

  ${invocation('monitor')} [folder …] [options]

  --web                 as a page in the browser, on which one can also start runs; without it in the terminal
  --port <n>            of the page; default: 7373, 0 takes one that is free
  --host <address>      to listen on; default: 127.0.0.1, which only this machine reaches
  --allow-host <name>   a name under which the page is reached; may be repeated
  --help                this text

The folders are looked through for runs; default: ./outputs. In the terminal, q leaves, p pauses and resumes, s saves, x stops, l changes the learning rate,
[ and ] show another run, n the newest. Leaving changes nothing of a run.

With --web the address that is printed has a token: who knows it can see and control the runs, and start
new ones. Ctrl-C ends the page; runs that were started on it stop after their step, with a checkpoint.
`

const OPTIONS = {
  web: { type: 'boolean' },
  port: { type: 'string' },
  host: { type: 'string' },
  'allow-host': { type: 'string', multiple: true },
} as const

const DEFAULT_PORT = 7373

export const monitor: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 100 },
  output: 'report',
  options: OPTIONS,
  async run({ positionals, values }) {
    const [first = './outputs', ...others] = positionals
    const port = numberOption('port', values.port, DEFAULT_PORT, PORT)
    await ensureInstalled()
    if (!values.web) {
      expectNoWebOptions(values)
      const { terminalMonitor } = await import('../monitor/terminal-monitor.ts')
      return await terminalMonitor([first, ...others])
    }
    const { serveMonitor } = await import('../monitor/serve-monitor.ts')
    await serveMonitor({
      roots: [first, ...others],
      port,
      ...(values.host === undefined ? {} : { host: values.host }),
      allowedHosts: values['allow-host'] ?? [],
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectNoWebOptions(values: Readonly<Record<string, unknown>>): void {
  const given = ['port', 'host', 'allow-host'].find((name) => values[name] !== undefined)
  if (given !== undefined)
    throw new TrituneError('E_USAGE', `--${given} is for the page in the browser`, {
      remedy: 'give --web too',
    })
}
