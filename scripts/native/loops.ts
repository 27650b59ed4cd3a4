/**
 * Innermost loops of compiled ARM64 code, as llvm-objdump reads it: what a model of a CPU is asked about.
 */
import { run } from './process.ts'

export interface Loop {
  /** Mangled name of the function. */
  readonly function: string
  /** Instructions, the branch back included. */
  readonly body: readonly string[]
  /** Multiply-adds of four floats. */
  readonly multiplyAdds: number
  /** Loaded and stored from vector registers. */
  readonly bytes: number
}

/** The innermost loops of an object. */
export async function loopsOf(objdump: string, object: string): Promise<Loop[]> {
  const { out } = await run([objdump, '-d', '--no-show-raw-insn', object])
  return functionsOf(out).flatMap(({ name, code }) => innermost(code).map((body) => describe(name, body)))
}

interface Instruction {
  readonly at: number
  readonly text: string
}

interface Code {
  readonly name: string
  readonly code: Instruction[]
}

function functionsOf(disassembly: string): Code[] {
  const functions: Code[] = []
  for (const line of disassembly.split('\n')) {
    const name = /^[\da-f]+ <(.*)>:$/.exec(line)?.[1]
    if (name !== undefined) functions.push({ name, code: [] })
    const instruction = /^\s+([\da-f]+):\s+(.*)$/.exec(line)
    if (instruction) {
      const text = instruction[2].replace(/\s*(<.*>|\/\/.*)/, '').trim()
      functions.at(-1)?.code.push({ at: Number.parseInt(instruction[1], 16), text })
    }
  }
  return functions
}

const BRANCH = /^(?:b|b\.\w+|cbn?z \w+,|tbn?z .*,)\s*0x([\da-f]+)$/

/** Runs of code that end in a branch to their start and hold no other such run. */
function innermost(code: readonly Instruction[]): (readonly string[])[] {
  const places = new Map(code.map(({ at }, i) => [at, i]))
  const loops = code.flatMap(({ text }, end) => {
    const target = BRANCH.exec(text.replace('\t', ' '))?.[1]
    const start = target === undefined ? undefined : places.get(Number.parseInt(target, 16))
    return start !== undefined && start <= end ? [{ start, end }] : []
  })
  return loops
    .filter(
      ({ start, end }) =>
        !loops.some((o) => (o.start !== start || o.end !== end) && o.start >= start && o.end <= end),
    )
    .map(({ start, end }) => code.slice(start, end + 1).map(({ text }) => text))
}

/** Bytes that an instruction moves between memory and vector registers. */
function bytesOf(text: string): number {
  const [, name, register] = /^(\w+)\s+\{?\s*([qdsv])\d/.exec(text) ?? []
  if (!/^(?:ld|st)/.test(name ?? '')) return 0
  const size = register === 'd' ? 8 : register === 's' ? 4 : 16
  return /^(?:ld|st)n?p$/.test(name) ? 2 * size : size
}

function describe(name: string, body: readonly string[]): Loop {
  return {
    function: name,
    body,
    multiplyAdds: body.filter((text) => /^fmla\s/.test(text)).length,
    bytes: body.reduce((sum, text) => sum + bytesOf(text), 0),
  }
}
