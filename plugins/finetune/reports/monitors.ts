/**
 * Monitors of a run: each gets every event. One that throws is reported to the others and gets nothing more.
 */
import type { Monitor, RunEvent } from '../../../core/mod.ts'
import type { NamedPart } from '../run.ts'

/** Where the trainer puts its events. */
export type Emit = (event: RunEvent) => void

/** `last` gets every event too, after the monitors; what it throws is thrown. */
export function createEmitter(
  monitors: readonly NamedPart<Monitor>[],
  last: (event: RunEvent) => void = () => {},
): Emit {
  const live = new Set(monitors)
  // Those whose promises were rejected since the last event.
  const rejected: [NamedPart<Monitor>, unknown][] = []
  const fail = (monitor: NamedPart<Monitor>, error: unknown): void => {
    if (!live.delete(monitor)) return
    const reason = error instanceof Error ? error.message : String(error)
    emit({ type: 'note', text: `the monitor ${monitor.name} is switched off, it failed: ${reason}` })
  }
  const emit: Emit = (event) => {
    for (const [monitor, error] of rejected.splice(0)) fail(monitor, error)
    for (const monitor of live) {
      try {
        const waiting = monitor.part.onEvent(event)
        if (waiting instanceof Promise) waiting.catch((error: unknown) => rejected.push([monitor, error]))
      } catch (error) {
        fail(monitor, error)
      }
    }
    last(event)
  }
  return emit
}
