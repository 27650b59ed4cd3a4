/**
 * One project of a stranger: installs, trains with the adapter of one plugin and the optimizer of another, generates, merges; and what came out of it.
 */
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { DIST } from '../build/paths.ts'
import type { PluginKindName } from '../create-plugin/kinds.ts'
import { folderBytes } from './folder-bytes.ts'
import { pluginName } from './author.ts'
import { run } from './run.ts'
import { type ClientRuntime, strangersEnvironment } from './runtimes.ts'

export interface Outcome {
  /** All losses of the run, as they are written. */
  readonly losses: readonly string[]
  readonly text: string
  /** What the command says that it ran on: `Bun 1.4.5`. */
  readonly runtime: string
  /** SHA-256 of the merged weights. */
  readonly merged: string
  /** Of node_modules. */
  readonly bytes: number
  readonly bytesWithCuda: number
  readonly seconds: { readonly install: number; readonly train: number }
}

/** What he takes from others. */
export const PLUGINS: readonly PluginKindName[] = ['adapter', 'optimizer']

const NAMES = PLUGINS.map(pluginName)
const ADAPTER = pluginName('adapter')

const CONFIG = `base_model: ./model
output_dir: ./adapter
plugins: [${NAMES.join(', ')}]
adapter: first-adapter
adapter_options: { scale: 1 }
lora_target_linear: true
optimizer: first-optimizer
optim_args: { beta1: 0.9, beta2: 0.99 }
datasets:
  - path: moby-dick.eval.jsonl
    type: completion
sequence_len: 256
micro_batch_size: 2
max_steps: 10
learning_rate: 3e-3
logging_steps: 1
threads: 2
seed: 42
device: cpu
`

export async function useAsStranger(
  folder: string,
  runtime: ClientRuntime,
  registry: string,
): Promise<Outcome> {
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  for (const [name, text] of Object.entries(runtime.files)) writeFileSync(join(folder, name), text)
  cpSync(`${DIST}tritune/quickstart/model`, join(folder, 'model'), { recursive: true })
  cpSync(`${DIST}tritune/quickstart/moby-dick.eval.jsonl`, join(folder, 'moby-dick.eval.jsonl'))
  writeFileSync(join(folder, 'my.yaml'), CONFIG)
  const at = { cwd: folder, env: strangersEnvironment(runtime, home, registry) }

  const [install] = await timed(() => run(runtime.install(['tritune', ...NAMES]), at))
  const modules = join(folder, 'node_modules')
  const bytes = folderBytes(modules)
  const [train] = await timed(() => run(runtime.tritune(['finetune', 'my.yaml']), at))
  const text = await run(
    runtime.tritune([
      'generate',
      './model',
      '--adapter=./adapter',
      `--plugin=${ADAPTER}`,
      '--prompt=The captain stood',
      '--max-new-tokens=24',
      '--device=cpu',
    ]),
    at,
  )
  const doctor: { readonly runtime: string } = JSON.parse(
    await run(runtime.tritune(['doctor', '--json']), at),
  )
  await run(runtime.tritune(['merge', './model', './adapter', './merged', '--plugin', ADAPTER]), at)
  // In its own folder, and nowhere else, is what the run leaves behind.
  if (folderBytes(modules) !== bytes)
    throw new TrituneError(
      'E_DATA',
      `node_modules has ${folderBytes(modules) - bytes} bytes more than before`,
      {
        place: modules,
      },
    )
  await run(runtime.install(['@tritune/linux-x64-cuda']), at)
  return {
    losses: lossesIn(readFileSync(join(folder, 'adapter/metrics.jsonl'), 'utf8')),
    text,
    runtime: doctor.runtime,
    merged: createHash('sha256')
      .update(readFileSync(join(folder, 'merged/model.safetensors')))
      .digest('hex'),
    bytes,
    bytesWithCuda: folderBytes(modules),
    seconds: { install, train },
  }
}

function lossesIn(metrics: string): string[] {
  return [...metrics.matchAll(/"loss":([^,}]+)/g)].map(([, loss]) => loss)
}

async function timed<T>(work: () => Promise<T>): Promise<[seconds: number, result: T]> {
  const began = performance.now()
  const result = await work()
  return [(performance.now() - began) / 1000, result]
}
