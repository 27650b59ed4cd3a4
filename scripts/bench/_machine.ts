/**
 * Where a number was measured: without this line it is no result.
 */
import { availableParallelism, cpus, totalmem } from 'node:os'
import { openLibrary } from '../../core/native/library.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  /** Instruction set that libtritune_cpu chose. */
  readonly isa: string
  readonly runtime: string
  readonly date: string
  readonly command: string
}

export function describeMachine(command: string): Machine {
  const { isa } = openLibrary('cpu').info
  return {
    cpu: cpus()[0]?.model.replace(/\s+/g, ' ').trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    isa: String(isa),
    runtime: `Bun ${process.versions.bun ?? '?'}`,
    date: new Date().toISOString().slice(0, 10),
    command,
  }
}

export function formatMachine({ cpu, cores, memoryGiB, isa, runtime, date, command }: Machine): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${isa}; ${runtime}; ${date}; \`${command}\``
}
