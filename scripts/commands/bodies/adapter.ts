/**
 * The body of ../adapter.ts, loaded only when there is something to do.
 */
import { Disposables } from '../../../core/disposables.ts'
import { existsSync } from 'node:fs'
import { writeFolderAtomicSync } from '../../../core/files/atomic.ts'
import { counted } from '../../../core/counted.ts'
import { invocation } from '../../../core/invocation.ts'
import { createHost, didYouMean, TrituneError } from '../../../core/mod.ts'
import { cpu } from '../../../plugins/cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../../../plugins/cuda/mod.ts'
import { formatBytes, loadPlugins } from '../../../plugins/finetune/mod.ts'
import { resolveModel } from '../../../plugins/hub/mod.ts'
import { loadModel, models } from '../../../plugins/models/mod.ts'
import {
  type AdapterFormat,
  adapterVocabulary,
  addWeightedAdapter,
  COMBINE_METHODS,
  type CombineMethod,
  convertAdapter,
  inspectAdapter,
  type InspectedAdapter,
  listAdapters,
  loadAdapter,
  peft,
  saveAdapter,
} from '../../../plugins/peft/mod.ts'
import { wasm } from '../../../plugins/wasm/mod.ts'
import { expectNew } from '../../_cli.ts'
import { quoted } from '../../terminal/quoted.ts'
import { err, out } from '../../terminal/streams.ts'

export function listCommand(folder: string, json: boolean): void {
  const found = listAdapters(folder)
  if (json) {
    const adapters = found.map(({ folder: path, adapter, error }) =>
      adapter
        ? { ...summary(adapter), error: null }
        : { folder: path, error: { code: error?.code, what: error?.message } },
    )
    return say(JSON.stringify({ folder, adapters }, null, 2))
  }
  if (found.length === 0) return say(`no adapters below ${folder}`)
  const rows = found.map(({ folder: path, adapter, error }) =>
    adapter
      ? [path, titleOf(adapter), counted(adapter.parameters, 'number'), adapter.baseModel ?? '']
      : [path, 'broken', error?.message.split('\n')[0] ?? '', ''],
  )
  const widths = [0, 1, 2].map((i) => Math.max(...rows.map((row) => row[i].length)))
  for (const row of rows)
    say(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

export function inspectCommand(folder: string, json: boolean): void {
  const found = inspectAdapter(folder)
  if (json) say(JSON.stringify(found, null, 2))
  else for (const line of formatInspected(found)) say(line)
  if (found.isBroken) process.exitCode = 1
}

export interface ConvertAdapter {
  readonly to: AdapterFormat | 'gguf'
  readonly base: string | undefined
  readonly device: DeviceName
  /** Not given: the environment decides. */
  readonly offline: boolean | undefined
  readonly json: boolean
}

export async function convertCommand(
  source: string,
  output: string,
  { to, base, device, offline, json }: ConvertAdapter,
): Promise<void> {
  const isGguf = source.endsWith('.gguf')
  if (to !== 'gguf' && !isGguf && base === undefined) {
    const done = convertAdapter(source, output, to)
    return say(
      json
        ? JSON.stringify({ output, ...done }, null, 2)
        : `${counted(done.tensors, 'tensor')} of ${done.from} in the files of ${done.to}: ${output}`,
    )
  }
  const { exportModel } = await import('../../../plugins/export/mod.ts')
  const { tensors, difference } = await exportModel(source, {
    to,
    output,
    device,
    onNote: (text) => err.write(`${text}\n`),
    ...(to === 'gguf' && { lora: true }),
    ...(base !== undefined && { base }),
    ...(offline !== undefined && { offline }),
  })
  const from = isGguf ? 'gguf' : openAdapterFormat(source)
  if (json)
    return say(
      JSON.stringify({ output, from, to, tensors, maxLogitDifference: difference?.most ?? null }, null, 2),
    )
  const moved = difference ? `; max |Δ logit| ${difference.most.toPrecision(2)}` : ''
  say(`${counted(tensors, 'tensor')} of ${from} in the files of ${to}: ${output}${moved}`)
}

export interface MergeAdapters {
  readonly output: string
  /** Folders, each with `=weight` behind it or without. */
  readonly adapters: readonly string[]
  readonly method: string | undefined
  readonly density: number | undefined
  readonly majoritySign: string | undefined
  readonly rank: number | undefined
  readonly seed: number
  readonly base: string | undefined
  readonly plugins: readonly string[]
  readonly device: DeviceName
  /** Not given: the environment decides. */
  readonly offline: boolean | undefined
  readonly json: boolean
}

export async function mergeAdaptersCommand({
  output,
  adapters,
  method,
  density,
  majoritySign,
  rank,
  seed,
  base,
  plugins,
  device: on,
  offline,
  json,
}: MergeAdapters): Promise<void> {
  expectNew(output)
  const parts = adapters.map(weighted)
  const combination = methodOf(method)
  if (majoritySign !== undefined && majoritySign !== 'total' && majoritySign !== 'frequency')
    throw new TrituneError('E_USAGE', `--majority-sign: expected total or frequency, got "${majoritySign}"`)
  const first = inspectAdapter(parts[0].folder, { numbers: false })
  const ref = base ?? first.baseModel
  if (ref === null)
    throw new TrituneError('E_USAGE', 'the adapter does not say what its base model is', {
      place: first.folder,
      remedy: 'name it with --base',
    })
  const note = (text: string): unknown => err.write(`${text}\n`)
  const path = await resolveModel(ref, { offline, onNote: note })
  const { device, note: ofDevice } = openDevice(on)
  if (ofDevice !== null) note(ofDevice)
  using host = createHost({
    plugins: [cpu, cuda, wasm, models, peft, ...(await loadPlugins(plugins)).map(({ plugin }) => plugin)],
  })
  const definitions = host.all('adapter')
  const vocabSize = Math.max(...parts.map(({ folder }) => adapterVocabulary(folder, definitions)))
  using model = loadModel(path, { device, models: host.all('model'), vocabSize })
  using opened = new Disposables()
  const weights: Record<string, number> = {}
  for (const [i, { folder, weight }] of parts.entries()) {
    const name = `${i + 1}: ${folder}`
    opened.use(loadAdapter(model, folder, { name, definitions, onNote: note }))
    weights[name] = weight
  }
  using made = addWeightedAdapter(model, 'merged', weights, {
    method: combination,
    density,
    majoritySign,
    rank,
    seed,
  })
  writeFolderAtomicSync(output, (temporary) =>
    saveAdapter(temporary, made, { baseModel: first.baseModel ?? ref }),
  )
  const result = {
    output,
    method: combination ?? 'svd',
    rank: made.config['r'],
    layers: made.adapters.size,
    adapters: parts,
  }
  if (json) return say(JSON.stringify(result, null, 2))
  say(
    `${counted(parts.length, 'adapter')} merged by ${result.method}: rank ${String(result.rank)} on ${counted(result.layers, 'layer')}, in ${output}
try it:
  ${invocation('generate')} ${quoted(ref)} --adapter ${quoted(output)} --prompt "Once upon a time"`,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function say(text: string): void {
  out.write(`${text}\n`)
}

function openAdapterFormat(folder: string): AdapterFormat {
  return inspectAdapter(folder, { numbers: false }).format
}

/** `folder=0.5`; a folder whose name has such an ending is meant when there is one. */
function weighted(text: string): { readonly folder: string; readonly weight: number } {
  const at = text.lastIndexOf('=')
  if (at < 0 || existsSync(text)) return { folder: text, weight: 1 }
  const [folder, value] = [text.slice(0, at), text.slice(at + 1)]
  const weight = Number(value)
  if (folder !== '' && value.trim() !== '' && Number.isFinite(weight)) return { folder, weight }
  throw new TrituneError('E_USAGE', `"${text}": expected an adapter and a number, such as my-adapter=0.5`)
}

function methodOf(method: string | undefined): CombineMethod | undefined {
  if (method === undefined) return undefined
  const found = COMBINE_METHODS.find((name) => name === method)
  if (found) return found
  throw new TrituneError('E_USAGE', `--method: there is no "${method}"`, {
    remedy: didYouMean(method, COMBINE_METHODS),
  })
}

function titleOf({ method, isDora, rank, format }: InspectedAdapter): string {
  return `${isDora ? 'DoRA' : method}${rank === null || rank === 0 ? '' : ` of rank ${rank}`}${format === 'mlx' ? ' (mlx-lm)' : ''}`
}

function summary({ modules, ...rest }: InspectedAdapter): Record<string, unknown> {
  const { isBroken: _unknown, ...told } = rest
  return { ...told, modules: modules.length }
}

function formatInspected(found: InspectedAdapter): string[] {
  const { folder, modules, parameters, bytes, dtypes, baseModel, alpha, targets, isBroken } = found
  const names = modules.map(({ path }) => (path === '' ? '(no module)' : path))
  const width = Math.max(...names.map((name) => name.length))
  return [
    `${folder}: ${titleOf(found)}${alpha === null ? '' : `, alpha ${alpha}`}`,
    `base: ${baseModel ?? 'not told'}`,
    `targets: ${targets === null ? 'not told' : typeof targets === 'string' ? targets : targets.join(', ')}`,
    `${counted(parameters, 'number')} in ${counted(modules.length, 'module')}, ${formatBytes(bytes)} of ${dtypes.join(', ')}`,
    '',
    ...modules.map(({ tensors, norm, change, broken }, i) => {
      const shapes = Object.entries(tensors).map(([part, shape]) => `${part} (${shape.join(', ')})`)
      const size = change === null ? `norm ${norm.toPrecision(4)}` : `change ${change.toPrecision(4)}`
      const wrong = broken.length > 0 ? '  NaN OR INF' : ''
      return `${names[i].padEnd(width)}  ${size.padEnd(18)}  ${shapes.join(', ')}${wrong}`
    }),
    '',
    isBroken
      ? `broken: NaN or Inf in ${modules.flatMap(({ broken }) => broken).join(', ')}`
      : 'every number is finite',
  ]
}
