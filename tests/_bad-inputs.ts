/**
 * Everything that people get wrong, each as one run of a real command: what is broken, what is run, what must be said.
 *
 * tests/bad-inputs.test.ts judges the outcomes, scripts/bad-inputs.ts shows them.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BAD_ADAPTERS } from './_bad-adapters.ts'
import { BAD_CONFIGS } from './_bad-configs.ts'
import { BAD_FILES } from './_bad-files.ts'
import { BAD_LIBRARIES } from './_bad-libraries.ts'
import { temporaryFolder } from './_golden.ts'
import { writeTinyModel } from './_tiny.ts'

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

export interface Outcome {
  readonly exitCode: number | null
  readonly message: string
  /** What is wrong with how the command behaved; empty: nothing. */
  readonly complaints: readonly string[]
}

export const BAD_INPUTS: readonly BadInput[] = [...BAD_CONFIGS, ...BAD_FILES, ...BAD_ADAPTERS, ...BAD_LIBRARIES]

const CONFIG: Readonly<Record<string, string>> = {
  base_model: './model',
  adapter: 'lora',
  lora_r: '4',
  lora_target_linear: 'true',
  datasets: '\n  - path: data.jsonl\n    type: completion',
  sequence_len: '64',
  max_steps: '3',
  learning_rate: '1e-3',
  output_dir: './out',
}

export function runBadInput(input: BadInput): Outcome {
  using temporary = temporaryFolder()
  const space = createSpace(temporary.path)
  const prepared = input.prepare(space)
  const invocation = invocationOf(prepared)
  try {
    const before = listing(space.path)
    const { exitCode, stdout, stderr } = execute(space.path, invocation)
    const complaints = [
      ...judge(input, exitCode, stderr),
      ...changes(before, listing(space.path), input.leaves ?? []),
    ]
    return { exitCode, message: stderr.trim() || stdout.trim(), complaints }
  } finally {
    invocation.cleanUp?.()
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createSpace(path: string): BadSpace {
  writeTinyModel(join(path, 'model'))
  const texts = Array.from({ length: 8 }, (_, i) => JSON.stringify({ text: `${i} ${i + 1} ${i + 2} ${i + 3}` }))
  writeFileSync(join(path, 'data.jsonl'), `${texts.join('\n')}\n`)
  const set = (changes: Readonly<Record<string, string>>): void => {
    const lines = Object.entries({ ...CONFIG, ...changes }).map(([key, value]) => `${key}: ${value}`)
    writeFileSync(join(path, 'config.yaml'), `${lines.join('\n')}\n`)
  }
  set({})
  return {
    path,
    set,
    write(name, content) {
      mkdirSync(join(path, name, '..'), { recursive: true })
      writeFileSync(join(path, name), content)
    },
    read: (name) => readFileSync(join(path, name)),
    remove: (name) => rmSync(join(path, name), { recursive: true }),
  }
}

function invocationOf(prepared: Invocation | string | void): Invocation {
  if (typeof prepared === 'object') return prepared
  return { command: (prepared ?? 'finetune config.yaml').split(' ') }
}

function execute(
  cwd: string,
  { command: [script, ...args], env = {}, shell }: Invocation,
): { exitCode: number | null; stdout: string; stderr: string } {
  const path = fileURLToPath(new URL(`../scripts/${script}.ts`, import.meta.url))
  const command = [process.execPath, path, ...args]
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    shell === undefined ? command : ['sh', '-c', `${shell} exec "$@"`, 'sh', ...command],
    { cwd, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', env: { ...process.env, ...env }, timeout: 20_000 },
  )
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() }
}

/** One error that starts with `error:`, names place and remedy, and is no stack trace. */
function judge({ says, exitCode: wanted = 1 }: BadInput, exitCode: number | null, stderr: string): string[] {
  const complaints: string[] = []
  if (exitCode !== wanted) complaints.push(`exit code ${exitCode}, expected ${wanted}`)
  if (!stderr.startsWith('error: ')) complaints.push('stderr does not start with "error: "')
  if (stderr.split('error: ').length !== 2) complaints.push('not exactly one error')
  if (!stderr.includes('→')) complaints.push('no remedy')
  if (/^ +at /m.test(stderr)) complaints.push('a stack trace')
  for (const part of says)
    if (typeof part === 'string' ? !stderr.includes(part) : !part.test(stderr))
      complaints.push(`does not say ${String(part)}`)
  return complaints
}

function listing(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => !file.isDirectory())
  return new Map(
    files.map((file) => {
      const path = join(file.parentPath, file.name)
      return [path.slice(folder.length + 1), String(Bun.hash(readFileSync(path)))]
    }),
  )
}

function changes(before: Map<string, string>, after: Map<string, string>, allowed: readonly string[]): string[] {
  const names = new Set([...before.keys(), ...after.keys()])
  return [...names].flatMap((name) => {
    if (before.get(name) === after.get(name) || allowed.includes(name)) return []
    return [`${name} was ${!before.has(name) ? 'left behind' : after.has(name) ? 'changed' : 'removed'}`]
  })
}

/** A second copy of a good folder, for cases that need one. */
export function copyFolder(space: BadSpace, from: string, to: string): void {
  cpSync(join(space.path, from), join(space.path, to), { recursive: true })
}
