/**
 * What a case of a wrong input is; the cases are beside, by kind. run.ts runs them.
 */

/** A folder with `model/`, `data.jsonl` and `config.yaml`, all good, in which the command runs. */
export interface BadSpace {
  readonly path: string
  /** Writes a file, by its name in the folder. */
  write(name: string, content: string | Uint8Array): void
  read(name: string): Buffer
  remove(name: string): void
  /** Changes config.yaml: keys of the top level, as YAML. */
  set(changes: Readonly<Record<string, string>>): void
}

export interface BadInput {
  readonly name: string
  /** Breaks something. Returns what to run: script name and arguments; default `finetune config.yaml`. */
  prepare(space: BadSpace): Invocation | string | void
  /** The message must have all of these; the first one is the place. */
  readonly says: readonly (string | RegExp)[]
  /** Default 1; 2 for a wrong command line. */
  readonly exitCode?: number
  /** Files that may be there afterwards. */
  readonly leaves?: readonly string[]
}

export interface Invocation {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Runs under `sh -c '<this> exec …'`. */
  readonly shell?: string
  cleanUp?(): void
}

/** Thrown by `prepare` where this machine cannot make the case. */
export class NotHere extends Error {}

/** What a run that failed after its start leaves: its record. */
export const RECORD: readonly string[] = ['out/metrics.jsonl', 'out/run.json', 'out/events.jsonl']
