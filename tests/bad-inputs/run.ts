/**
 * Everything that people get wrong, each as one run of a real command: what is broken, what is run, what must be said.
 *
 * bad-inputs.test.ts judges the outcomes, scripts/bad-inputs.ts shows them.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { BAD_ADAPTERS } from './adapters.ts'
import type { BadInput, BadSpace, Invocation } from './case.ts'
import { BAD_CONFIGS } from './configs.ts'
import { BAD_FILES } from './files.ts'
import { BAD_LIBRARIES } from './libraries.ts'

export interface Outcome {
  readonly exitCode: number | null
  readonly message: string
  /** What is wrong with how the command behaved; empty: nothing. */
  readonly complaints: readonly string[]
}

export const BAD_INPUTS: readonly BadInput[] = [
  ...BAD_CONFIGS,
  ...BAD_FILES,
  ...BAD_ADAPTERS,
  ...BAD_LIBRARIES,
]

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
  const texts = Array.from({ length: 8 }, (_, i) =>
    JSON.stringify({ text: `${i} ${i + 1} ${i + 2} ${i + 3}` }),
  )
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
  const path = fileURLToPath(new URL(`../../scripts/${script}.ts`, import.meta.url))
  const command = [process.execPath, path, ...args]
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    shell === undefined ? command : ['sh', '-c', `${shell} exec "$@"`, 'sh', ...command],
    {
      cwd,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { ...process.env, ...env },
      timeout: 20_000,
    },
  )
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() }
}

/** One error that starts with `error:`, names place and remedy, and is no stack trace. */
function judge({ says, exitCode: wanted = 1 }: BadInput, exitCode: number | null, stderr: string): string[] {
  const complaints: string[] = []
  if (exitCode !== wanted) complaints.push(`exit code ${exitCode}, expected ${wanted}`)
  if (!stderr.startsWith('error: ')) complaints.push('stderr does not start with "error: "')
  if (stderr.match(/^error: /gm)?.length !== 1) complaints.push('not exactly one error')
  // A value that was expected, or a name that was meant, is a remedy, too.
  if (!/→|expected|did you mean/.test(stderr)) complaints.push('no remedy')
  if (/^ +at /m.test(stderr)) complaints.push('a stack trace')
  for (const part of says)
    if (typeof part === 'string' ? !stderr.includes(part) : !part.test(stderr))
      complaints.push(`does not say ${String(part)}`)
  return complaints
}

function listing(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (file) => !file.isDirectory(),
  )
  return new Map(
    files.map((file) => {
      const path = join(file.parentPath, file.name)
      return [path.slice(folder.length + 1), String(Bun.hash(readFileSync(path)))]
    }),
  )
}

function changes(
  before: Map<string, string>,
  after: Map<string, string>,
  allowed: readonly string[],
): string[] {
  const names = new Set([...before.keys(), ...after.keys()])
  return [...names].flatMap((name) => {
    if (before.get(name) === after.get(name) || allowed.includes(name)) return []
    return [`${name} was ${!before.has(name) ? 'left behind' : after.has(name) ? 'changed' : 'removed'}`]
  })
}
