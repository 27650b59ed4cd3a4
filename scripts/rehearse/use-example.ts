/**
 * A stranger who installs a plugin and trains by the example that comes with it, in a new project.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import type { PluginKindName } from '../create-plugin/kinds.ts'
import { pluginName } from './author.ts'
import { run } from './run.ts'
import { type ClientRuntime, strangersEnvironment } from './runtimes.ts'

export interface UseExample {
  readonly kind: PluginKindName
  /** Of the project; need not be there. */
  readonly folder: string
  readonly runtime: ClientRuntime
  /** Of the registry that has tritune and the plugin. */
  readonly registry: string
}

export interface UsedExample {
  /** Of all steps, as they are written. */
  readonly losses: readonly string[]
  readonly seconds: { readonly install: number; readonly train: number }
}

const STEPS = 8

/** Throws E_DATA when the run does not say that it uses the plugin, or has other than eight finite losses. */
export async function useExample({ kind, folder, runtime, registry }: UseExample): Promise<UsedExample> {
  const name = pluginName(kind)
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  for (const [file, text] of Object.entries(runtime.files)) writeFileSync(join(folder, file), text)
  const at = { cwd: folder, env: strangersEnvironment(runtime, home, registry) }
  const began = performance.now()
  await run(runtime.install(['tritune', name]), at)
  const installed = performance.now()
  cpSync(join(folder, 'node_modules', name, 'example'), join(folder, 'example'), { recursive: true })
  const prepare = 'example/make-model.ts'
  if (existsSync(join(folder, prepare))) await run(runtime.script(prepare), at)
  const ready = performance.now()
  const said = await run(runtime.tritune(['finetune', 'example/finetune.yaml']), at)
  const trained = performance.now()
  expect(said.includes(`first-${kind} 0.1.0`), `the run does not say that it uses the plugin:\n${said}`)
  const listed = await run(runtime.tritune(['plugins', 'example/finetune.yaml']), at)
  expect(listed.includes(`${kind}:first-${kind}`), `it is not listed:\n${listed}`)
  const metrics = readFileSync(join(folder, `outputs/first-${kind}/metrics.jsonl`), 'utf8')
  const losses = [...metrics.matchAll(/"loss":([^,}]+)/g)].map(([, loss]) => loss)
  const isWhole = losses.length === STEPS && losses.every((loss) => Number.isFinite(Number(loss)))
  expect(isWhole, `${runtime.name}: losses: ${losses.join(' ')}`)
  return { losses, seconds: { install: (installed - began) / 1000, train: (trained - ready) / 1000 } }
}

function expect(isSo: boolean, message: string): void {
  if (!isSo) throw new TrituneError('E_DATA', message)
}
