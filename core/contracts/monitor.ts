/**
 * Monitor: watches a run. It receives every event and changes nothing.
 *
 * `onEvent` is called between steps and returns at once: a run never waits for a monitor. One that throws is reported in a note and switched
 * off; it never stops a run. A promise that it returns is not awaited before the run has ended, and a rejection counts as a throw. What a monitor still has
 * on its way then (lines for a server) holds up the program, so it bounds it itself.
 */
import type { ValidatableConfig } from './config.ts'
import type { RunEvent } from './run-event.ts'
import type { Stateful } from './stateful.ts'

/** Watches a run: gets every event, changes nothing. One that throws is switched off with a note; the run goes on. */
export interface Monitor extends Stateful, Partial<Disposable> {
  onEvent(event: RunEvent): void | Promise<void>
}

/** What a monitor may need to know of the run. */
export interface MonitorContext {
  readonly outputDir: string
  /** Steps between two lines for people, as the file says. */
  readonly loggingSteps: number
}

/**
 * A monitor that plugins provide by name: `monitors: [mean-loss]` of a run's file. `create` gets options that
 * `options` has checked.
 */
export interface MonitorDefinition<O = unknown> {
  readonly name: string
  readonly options: ValidatableConfig<O>
  create(options: O, context: MonitorContext): Monitor
}
