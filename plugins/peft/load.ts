/**
 * Reads an adapter that PEFT (or tritune) wrote and puts it on a model.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../core/files/checkpoint.ts'
import type { TensorEntry } from '../../core/files/safetensors.ts'
import { type Adapter, didYouMean, type Layer, type Model, TrituneError } from '../../core/mod.ts'
import { type AttachedAdapter, install } from './attach.ts'
import { fillParameter } from './fill-parameter.ts'
import { type AdapterDefinitions, loadCommunityAdapters, NAME_KEY } from './load-community.ts'
import { createLora, type LoraAdapter } from './lora.ts'
import { CONFIG_FILE, PREFIX, WEIGHTS_FILE } from './save.ts'
import { patternValue, type TargetMatch } from './targets.ts'

export interface LoadAdapterOptions {
  /** Of a LoRA: instead of what the file says. */
  readonly dropout?: number
  /** Adapters of plugins by name, for folders that were trained with them. */
  readonly definitions?: AdapterDefinitions
}

/** Throws E_FILE, E_FORMAT, E_ADAPTER (does not fit the model), E_NAME or E_UNSUPPORTED; the model is then unchanged. */
export function loadAdapter(
  model: Model,
  folder: string,
  { dropout, definitions = {} }: LoadAdapterOptions = {},
): AttachedAdapter {
  const config = readAdapterConfig(folder)
  const file = join(folder, WEIGHTS_FILE)
  if (!existsSync(file))
    throw new TrituneError('E_FILE', `the folder has no ${WEIGHTS_FILE}`, {
      place: folder,
      remedy: 'save the adapter again; adapter_model.bin is not supported',
    })
  const checkpoint = openCheckpoint(file)
  const { base_model_name_or_path: _base, ...kept } = config
  if (typeof config[NAME_KEY] === 'string') {
    const configFile = join(folder, CONFIG_FILE)
    const files = { config, configFile, checkpoint, weightsFile: file, prefix: PREFIX }
    const loaded = loadCommunityAdapters(model, files, definitions)
    return install(model, config[NAME_KEY], matchOf(file, loaded), loaded, kept)
  }
  const factors = groupByModule(checkpoint, file)
  const adapters = new Map<string, Adapter>()
  try {
    for (const layer of model.layers.values()) {
      const pair = factors.get(layer.path)
      if (!pair) continue
      if (layer.adapter) throw new TrituneError('E_ADAPTER', `${layer.path} already has an adapter`)
      adapters.set(layer.path, loadLora(layer, pair, config, checkpoint, { dropout, file }))
    }
    for (const path of factors.keys()) {
      if (!adapters.has(path))
        throw new TrituneError('E_ADAPTER', `the adapter has weights for ${path}, which the model lacks`, {
          place: file,
          remedy: didYouMean(path, model.layers.keys()),
        })
    }
  } catch (error) {
    for (const adapter of adapters.values()) adapter[Symbol.dispose]()
    throw error
  }
  return install(model, 'lora', matchOf(file, adapters), adapters, kept)
}

/** adapter_config.json of a folder, checked to be a LoRA that can be run, or the adapter of a plugin. */
export function readAdapterConfig(folder: string): Readonly<Record<string, unknown>> {
  const place = join(folder, CONFIG_FILE)
  if (!existsSync(place))
    throw new TrituneError('E_FILE', `no adapter here: ${CONFIG_FILE} is missing`, {
      place: folder,
      remedy: 'name the folder that holds adapter_config.json',
    })
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(place, 'utf8'))
  } catch (cause) {
    throw new TrituneError(
      'E_FORMAT',
      `not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      { place, remedy: 'the file is damaged: save or copy the adapter again', cause },
    )
  }
  if (!isRecord(parsed)) throw new TrituneError('E_FORMAT', 'expected a JSON object', { place })
  const config = parsed
  if (typeof config[NAME_KEY] === 'string') return config
  if (config.peft_type !== 'LORA')
    throw new TrituneError(
      'E_UNSUPPORTED',
      `adapters of type ${JSON.stringify(config.peft_type)} are not supported yet`,
      { place, remedy: 'supported: LORA' },
    )
  for (const [key, plain] of Object.entries(PLAIN)) {
    const value = config[key] ?? null
    if (!plain.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value))) {
      throw new TrituneError('E_UNSUPPORTED', `${key}: ${JSON.stringify(value)} is not supported yet`, {
        place,
      })
    }
  }
  return config
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Fields that change the forward pass, with the values that mean plain LoRA. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false, null],
  lora_bias: [false, null],
  use_qalora: [false, null],
  use_bdlora: [false, null],
  bias: ['none', null],
  modules_to_save: [null, []],
  layer_replication: [null],
  alora_invocation_tokens: [null],
  trainable_token_indices: [null],
  target_parameters: [null, []],
  init_lora_weights: [true, false, 'gaussian', 'orthogonal', 'eva', null],
}

function matchOf(file: string, adapters: ReadonlyMap<string, Adapter>): TargetMatch {
  const matched = [...adapters.keys()]
  return { matched, counts: new Map([[file, matched.length]]) }
}

interface Factors {
  a: TensorEntry | null
  b: TensorEntry | null
}

/** PEFT strips the adapter's name when it saves; older files have it. */
const FACTOR = /^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.[^.]+)?\.weight$/

function groupByModule(checkpoint: Checkpoint, file: string): Map<string, Factors> {
  const modules = new Map<string, Factors>()
  for (const [name, entry] of checkpoint.entries) {
    const [, path, which] = FACTOR.exec(name) ?? []
    if (!path)
      throw new TrituneError('E_UNSUPPORTED', `tensor "${name}" is not part of a plain LoRA`, { place: file })
    const pair = modules.get(path) ?? { a: null, b: null }
    if (which === 'A') pair.a = entry
    else pair.b = entry
    modules.set(path, pair)
  }
  if (modules.size === 0)
    throw new TrituneError('E_ADAPTER', 'the adapter has no tensors', {
      place: file,
      remedy: 'it was not saved properly: train or save it again',
    })
  return modules
}

interface Context {
  readonly dropout: number | undefined
  readonly file: string
}

function loadLora(
  layer: Layer,
  { a, b }: Factors,
  config: Readonly<Record<string, unknown>>,
  checkpoint: Checkpoint,
  { dropout, file }: Context,
): LoraAdapter {
  if (!a || !b)
    throw new TrituneError('E_ADAPTER', `${PREFIX}${layer.path} has only one of lora_A and lora_B`, {
      place: file,
    })
  const rank = a.shape[0]
  const [outputs, inputs] = layer.weight.shape
  expectFactor(a, [rank, inputs], file)
  expectFactor(b, [outputs, rank], file)
  const settings = numericSettings(config, file)
  const expected = patternValue(layer.path, settings.ranks, settings.rank)
  if (rank !== expected)
    throw new TrituneError(
      'E_ADAPTER',
      `${layer.path}: the weights have rank ${rank}, adapter_config.json says ${expected}`,
      { place: file },
    )
  const adapter = createLora(
    layer,
    {
      rank,
      alpha: patternValue(layer.path, settings.alphas, settings.alpha),
      dropout: dropout ?? settings.dropout,
      rsLora: config.use_rslora === true,
      init: true,
    },
    { seed: 0 },
  )
  try {
    fillParameter(adapter.a, a, checkpoint, file)
    fillParameter(adapter.b, b, checkpoint, file)
  } catch (error) {
    adapter[Symbol.dispose]()
    throw error
  }
  return adapter
}

function expectFactor({ name, shape }: TensorEntry, [rows, columns]: readonly number[], file: string): void {
  if (shape.length === 2 && shape[0] === rows && shape[1] === columns) return
  throw new TrituneError(
    'E_ADAPTER',
    `tensor "${name}" has shape (${shape.join(', ')}), this model needs (${rows}, ${columns})`,
    { place: file, remedy: 'name the base model that the adapter was trained on' },
  )
}

interface NumericSettings {
  readonly rank: number
  readonly alpha: number
  readonly dropout: number
  readonly ranks: Readonly<Record<string, number>>
  readonly alphas: Readonly<Record<string, number>>
}

/** The numbers of adapter_config.json; a text among them would give an adapter that is NaN everywhere. */
function numericSettings(config: Readonly<Record<string, unknown>>, file: string): NumericSettings {
  const number = (key: string, value: unknown, fallback?: number): number => {
    const given = value ?? fallback
    if (typeof given === 'number' && Number.isFinite(given)) return given
    throw new TrituneError('E_ADAPTER', `${key}: expected a number, got ${JSON.stringify(value)}`, {
      place: join(dirname(file), CONFIG_FILE),
    })
  }
  const pattern = (key: string): Record<string, number> =>
    Object.fromEntries(
      Object.entries(config[key] ?? {}).map(([name, value]) => [name, number(`${key}: ${name}`, value)]),
    )
  return {
    rank: number('r', config.r, 8),
    alpha: number('lora_alpha', config.lora_alpha, 8),
    dropout: number('lora_dropout', config.lora_dropout, 0),
    ranks: pattern('rank_pattern'),
    alphas: pattern('alpha_pattern'),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
