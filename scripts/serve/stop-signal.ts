/** Servers run until somebody ends them. */
import { stopNames } from '../terminal/stop-signals.ts'

/** Resolves at the first signal that asks for an end; a second one ends the process as ever. */
export async function stopSignal(): Promise<void> {
  const names = [...stopNames(process.platform), 'SIGHUP'] as const
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      for (const name of names) process.off(name, stop)
      resolve()
    }
    for (const name of names) process.on(name, stop)
  })
}
