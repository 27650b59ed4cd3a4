/**
 * Small runs to be disturbed: a folder with a tiny random model, data and one configuration for each kind of training.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'

const COMMON = `base_model: ./model
datasets:
  - path: data.jsonl
    type: completion
sequence_len: 64
micro_batch_size: 2
gradient_accumulation_steps: 2
learning_rate: 2e-3
val_set_size: 3
eval_steps: 7
save_steps: 3
save_total_limit: 2
logging_steps: 1
threads: 1
seed: 5
`
const LORA = 'adapter: lora\nlora_r: 4\nlora_dropout: 0.1\nlora_target_linear: true\n'
const STRATEGY = fileURLToPath(new URL('../../docs/examples/parts/skip-easy.ts', import.meta.url))

/** What is trained. */
export type RunKind = 'lora' | 'full' | '8bit' | 'strategy'

const RUNS: Readonly<Record<RunKind, string>> = {
  lora: LORA,
  full: 'adapter: none\n',
  '8bit': `${LORA}optimizer: adamw_8bit\n`,
  strategy: `${LORA}plugins: ["${STRATEGY}"]\nstrategy: { name: skip-easy, below: 0.98 }\n`,
}

export const RUN_KINDS: readonly RunKind[] = ['lora', 'full', '8bit', 'strategy']

export interface Space extends Disposable {
  readonly path: string
  /** Starts `finetune` with an output folder of this name. */
  start(kind: RunKind, out: string, options?: readonly string[]): Child
}

export interface Child {
  readonly process: ChildProcessByStdio<null, Readable, Readable>
  readonly pid: number
  /** stdout and stderr as far as they came. */
  output(): string
  /** Resolves when the output has this text, or the process has ended. */
  until(text: string): Promise<void>
  readonly ended: Promise<Ended>
}

export interface Ended {
  /** 128 + the number for a death by signal, as shells say. */
  readonly code: number
  readonly output: string
}

export function createSpace({ steps }: { readonly steps: number }): Space {
  const temporary = temporaryFolder()
  const { path } = temporary
  writeTinyModel(join(path, 'model'))
  const text = (i: number): string =>
    Array.from({ length: 4 + ((i * 7) % 11) }, (_, j) => (i + j * (1 + (i % 3))) % 10).join(' ')
  const lines = Array.from({ length: 15 }, (_, i) => `${JSON.stringify({ text: text(i) })}\n`)
  writeFileSync(join(path, 'data.jsonl'), lines.join(''))
  for (const kind of RUN_KINDS)
    writeFileSync(join(path, `${kind}.yaml`), `${COMMON}max_steps: ${steps}\n${RUNS[kind]}`)
  return {
    path,
    start: (kind, out, options = []) =>
      start(path, [`${kind}.yaml`, '--set', `output_dir=./${out}`, ...options]),
    [Symbol.dispose]: () => temporary[Symbol.dispose](),
  }
}

const SCRIPT = fileURLToPath(new URL('../../scripts/finetune.ts', import.meta.url))
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }

function start(cwd: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, [SCRIPT, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const waiting: (() => void)[] = []
  const take = (chunk: Buffer): void => {
    output += chunk.toString()
    for (const look of waiting) look()
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    let code = 0
    const done = (): void => resolve({ code, output })
    child.once('exit', (exit, signal) => {
      code = exit ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0)
      // A stream that we closed ourselves never tells that it is at its end.
      if (child.stdout.destroyed || child.stderr.destroyed) done()
    })
    child.once('close', done)
  })
  return {
    process: child,
    pid: child.pid ?? 0,
    output: () => output,
    until: (text) =>
      Promise.race([
        ended.then(() => {}),
        new Promise<void>((resolve) => {
          const look = (): void => void (output.includes(text) && resolve())
          waiting.push(look)
          look()
        }),
      ]),
    ended,
  }
}

/** Of a run: when, where and by whom it was made. */
const OF_THE_CLOCK: readonly string[] = ['run.json', 'events.jsonl']

/** What a run left: all files by name, with their content; without what the clock says. */
export function contents(folder: string): Map<string, string> {
  const all = new Map<string, string>()
  if (!existsSync(folder)) return all
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory() || OF_THE_CLOCK.includes(entry.name)) continue
    const file = join(entry.parentPath, entry.name)
    const bytes = readFileSync(file)
    const name = file.slice(folder.length + 1)
    all.set(name, name === 'metrics.jsonl' ? withoutClock(bytes.toString()) : String(Bun.hash(bytes)))
  }
  return all
}

function withoutClock(text: string): string {
  return text.replace(/,"(seconds|tokens_per_second)":[^,}]*/g, '')
}

/** Names of what killed runs must not leave. */
export function leftovers(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('.')) : []
}

/** The highest number that matches, as of `saved …/checkpoint-12`; 0 when there is none. */
export function lastNumber(text: string, pattern: RegExp): number {
  return Math.max(0, ...[...text.matchAll(pattern)].map(([, number]) => Number(number)))
}
