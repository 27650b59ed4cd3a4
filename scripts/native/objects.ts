/**
 * Compiles sources into objects, each only when its command or a file it was made from changed.
 *
 * Beside an object lie `.d` (its dependencies, by -MMD), `.log` (what the compiler said) and `.stamp` (fingerprint,
 * seconds). No general build system: no rules, no targets.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ROOT, run } from './process.ts'

export interface Unit {
  readonly source: string
  readonly object: string
  /** Compiler and flags, without `-o`, `-c` and the source. */
  readonly command: readonly string[]
  /** What else the object depends on: the version of the compiler. */
  readonly compiler?: string
}

export interface Compiled {
  readonly unit: Unit
  /** False: the object was there already. */
  readonly fresh: boolean
  /** Of the processor, for the compilation that made the object. */
  readonly seconds: number
  /** What the compiler wrote to stderr then. */
  readonly log: string
}

export interface CompileOptions {
  /** Called after each compilation. */
  readonly onCompiled?: (result: Compiled) => void
}

/** Brings all objects up to date, on every core; those that took longest last time start first. */
export async function compileAll(
  units: readonly Unit[],
  { onCompiled = () => {} }: CompileOptions = {},
): Promise<Compiled[]> {
  const queue = units.toSorted((a, b) => lastSeconds(b) - lastSeconds(a))
  const results: Compiled[] = []
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const result = await compile(next)
      results.push(result)
      if (result.fresh) onCompiled(result)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return results.toSorted((a, b) => (a.unit.object < b.unit.object ? -1 : 1))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function compile(unit: Unit): Promise<Compiled> {
  const object = join(ROOT, unit.object)
  const [stamp, log] = [`${object}.stamp`, `${object}.log`]
  if (existsSync(object) && existsSync(stamp) && existsSync(log)) {
    const [print] = readFileSync(stamp, 'utf8').split('\n')
    if (print === fingerprint(unit))
      return { unit, fresh: false, seconds: lastSeconds(unit), log: readFileSync(log, 'utf8') }
  }
  mkdirSync(dirname(object), { recursive: true })
  const dependencies = ['-MMD', '-MF', `${unit.object}.d`]
  const { err, seconds } = await run([...unit.command, ...dependencies, '-o', unit.object, '-c', unit.source])
  writeFileSync(log, err)
  writeFileSync(stamp, `${fingerprint(unit)}\n${seconds.toFixed(1)}\n`)
  return { unit, fresh: true, seconds, log: err }
}

/** Digest of the command and of every file the object was made from; '' when the object was never built. */
function fingerprint({ object, command, compiler = '' }: Unit): string {
  const dependencies = join(ROOT, `${object}.d`)
  if (!existsSync(dependencies)) return ''
  const hash = createHash('sha256').update([...command, compiler].join('\0'))
  const files = readFileSync(dependencies, 'utf8')
    .replace(/^.*?:/, '')
    .replaceAll('\\\n', ' ')
    .trim()
    .split(/\s+/)
  for (const file of files) {
    const path = resolve(ROOT, file)
    if (!existsSync(path)) return ''
    hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}

/** 0 … of the last compilation; one that was never made comes first. */
function lastSeconds({ object }: Unit): number {
  const stamp = join(ROOT, `${object}.stamp`)
  return existsSync(stamp) ? Number(readFileSync(stamp, 'utf8').split('\n')[1] ?? 0) : Infinity
}
