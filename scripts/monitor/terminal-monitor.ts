/** The body of `tritune monitor` without --web: takes over the terminal until q, Ctrl-C or a signal. */
import { TrituneError } from '../../core/errors.ts'
import { openTerminalMonitor, type Terminal } from '../../plugins/monitor/mod.ts'
import { stopNames } from '../terminal/stop-signals.ts'
import { out } from '../terminal/streams.ts'
import { listenToKeys } from './listen-to-keys.ts'

export async function terminalMonitor(roots: readonly string[]): Promise<void> {
  if (!out.terminal || !process.stdin.isTTY)
    throw new TrituneError('E_USAGE', 'the monitor needs a terminal to draw on', {
      remedy: 'start it in one, or give --web',
    })
  // Before the terminal is taken over: a signal must not leave it so.
  const names = [...stopNames(process.platform), 'SIGHUP'] as const
  const stopped = Promise.withResolvers<void>()
  for (const name of names) process.on(name, stopped.resolve)
  try {
    using monitor = openTerminalMonitor({ roots, terminal: ownTerminal() })
    await Promise.race([monitor.left, stopped.promise])
  } finally {
    for (const name of names) process.off(name, stopped.resolve)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function ownTerminal(): Terminal {
  return {
    listen: (listener) => listenToKeys(process.stdin, listener),
    colour: out.colour,
    write: out.write,
    size: () => ({ columns: out.columns(), rows: process.stdout.rows || 24 }),
    onResize(changed) {
      process.stdout.on('resize', changed)
      return { [Symbol.dispose]: () => process.stdout.off('resize', changed) }
    },
  }
}
