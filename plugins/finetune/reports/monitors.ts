/**
 * Monitors of a run: each gets every event. One that throws is reported to the others and gets nothing more.
 */
import type { Monitor, RunEvent } from '../../../core/mod.ts'
import type { NamedPart } from '../run.ts'

/** Where the trainer puts its events. */
export type Emit = (event: RunEvent) => void

/** Those who are told of a run. */
export interface Emitter {
  readonly emit: Emit
  /** After the last event: waits for monitors that have something on its way, which they bound themselves, and tells what failed. */
  settle(): Promise<void>
}

/** `last` gets every event too, after the monitors; what it throws is thrown. */
export function createEmitter(
  monitors: readonly NamedPart<Monitor>[],
  last: (event: RunEvent) => void = () => {},
): Emitter {
  const live = new Set(monitors)
  // Those whose promises were rejected since the last event.
  const rejected: [NamedPart<Monitor>, unknown][] = []
  const onItsWay = new Set<Promise<void>>()
  const watched = (monitor: NamedPart<Monitor>, work: Promise<void>): Promise<void> => {
    const done = work
      .catch((error: unknown) => void rejected.push([monitor, error]))
      .finally(() => onItsWay.delete(done))
    return done
  }
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
        if (waiting instanceof Promise) onItsWay.add(watched(monitor, waiting))
      } catch (error) {
        fail(monitor, error)
      }
    }
    last(event)
  }
  return {
    emit,
    async settle() {
      await Promise.all(onItsWay)
      for (const [monitor, error] of rejected.splice(0)) fail(monitor, error)
    },
  }
}
