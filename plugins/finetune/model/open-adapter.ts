/**
 * The adapter that a run's file asks for, on its model: lora by its own keys, or another that is built in or a plugin provides.
 */
import { type Capabilities, ConfigError, type Host, type Model, TrituneError } from '../../../core/mod.ts'
import {
  attachAdapter,
  type AttachedAdapter,
  attachLora,
  DEFAULT_TARGETS,
  loadAdapter,
  type LoraInit,
} from '../../peft/mod.ts'
import { atKey, failuresAtKey } from '../config/at-key.ts'
import { adapterOptions } from './adapter-options.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { besideOptions, refuseNewRows, trainsRows } from './new-rows.ts'
import { orOfPlugin } from '../plugins/plugin-remedy.ts'
import type { RunTokenizer } from './run-tokenizer.ts'

/** What the run knows of its vocabulary. */
export interface AdapterInputs {
  readonly tokenizer: Pick<RunTokenizer, 'encode'>
  /** Of the run, for a method that goes by them. */
  readonly totalSteps: number
  /** Tokens whose rows were never trained. */
  readonly rows: readonly number[]
  /** Hears what of the files of an adapter is left out. */
  readonly onNote?: (text: string) => void
}

/** Puts the adapter on the model; null: `adapter: none`. E_ADAPTER when it does not fit. */
export type OpenAdapter = (model: Model, inputs: AdapterInputs) => AttachedAdapter | null

/** Looks up the name (E_NAME) and checks the options (E_CONFIG) before there is a model. */
export function chooseAdapter(config: FinetuneConfig, host: Host): OpenAdapter {
  const { adapter, seed } = config
  if (adapter === null) return () => null
  if (adapter === 'lora' || adapter === 'dora')
    return (model, inputs) => attaching(() => openLora(config, model, inputs))
  const definition = findAdapter(host, adapter)
  const options = adapterOptions(definition, config)
  const { lora_model_dir: folder } = config
  if (folder !== null)
    return (model, { rows, onNote }) =>
      covering(
        config,
        rows,
        atKey(['lora_model_dir'], () => goOn(model, folder, definition, onNote)),
      )
  if ('createForModel' in definition) {
    refuseTargets(config, adapter)
    return (model, { tokenizer, rows }) => {
      refuseNewRows(config, rows, `${adapter} stands before the text`)
      const encode = (text: string): number[] => tokenizer.encode(text, { addSpecialTokens: true })
      return attaching(() => attachAdapter(model, definition, options, { seed, encode }))
    }
  }
  return (model, { rows, totalSteps }) =>
    attaching(() =>
      attachAdapter(model, definition, adapterOptions(definition, config, totalSteps), {
        ...targetsOf(config, model, definition),
        ...besideOptions(config, model, definition, rows),
        seed,
      }),
    )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function findAdapter(host: Host, name: string): Capabilities['adapter'] {
  try {
    return host.find('adapter', name)
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_NAME') throw error
    const [what] = error.message.split('\n')
    throw new ConfigError([{ path: ['adapter'], code: 'E_NAME', what, remedy: orOfPlugin(error.remedy) }])
  }
}

/** The adapter of a folder, which must be of the method that the file names. */
function goOn(
  model: Model,
  folder: string,
  definition: Capabilities['adapter'],
  onNote: AdapterInputs['onNote'],
): AttachedAdapter {
  const adapter = loadAdapter(model, folder, { definitions: { [definition.name]: definition }, onNote })
  if (adapter.kind === definition.name) return adapter
  adapter[Symbol.dispose]()
  throw new TrituneError('E_ADAPTER', `the folder has an adapter of the kind ${adapter.kind}`, {
    remedy: `write adapter: ${adapter.kind}, or name a folder with ${definition.name}`,
  })
}

/** An adapter that is gone on with has the rows of new tokens, or they would never be trained. */
function covering(
  config: FinetuneConfig,
  rows: readonly number[],
  adapter: AttachedAdapter,
): AttachedAdapter {
  if (trainsRows(adapter, rows)) return adapter
  adapter[Symbol.dispose]()
  refuseNewRows(config, rows, 'the adapter of lora_model_dir was made without them')
  throw new Error('there are no new rows')
}

function openLora(config: FinetuneConfig, model: Model, { rows, onNote }: AdapterInputs): AttachedAdapter {
  const { lora_model_dir, lora_dropout } = config
  if (lora_model_dir !== null) {
    return covering(
      config,
      rows,
      atKey(['lora_model_dir'], () => loadAdapter(model, lora_model_dir, { dropout: lora_dropout, onNote })),
    )
  }
  return attachLora(model, {
    rank: config.lora_r,
    alpha: config.lora_alpha,
    dropout: lora_dropout,
    rsLora: config.peft_use_rslora,
    init: loraStart(config),
    dora: config.adapter === 'dora' || config.peft_use_dora,
    loftq: {
      bits: config.peft?.loftq_config.loftq_bits === 8 ? 8 : 4,
      iterations: config.peft?.loftq_config.loftq_iter ?? 1,
    },
    rankPattern: config.lora_rank_pattern,
    alphaPattern: config.lora_alpha_pattern,
    ...loraTargets(config, model),
    ...besideOptions(config, model, { name: 'lora' }, rows),
    seed: config.seed,
  })
}

/** `loftq_bits` asks for loftq, as in axolotl; a file that says another start too is refused by a rule. */
export function loraStart({
  peft,
  peft_init_lora_weights: init,
}: Pick<FinetuneConfig, 'peft' | 'peft_init_lora_weights'>): LoraInit {
  return typeof peft?.loftq_config.loftq_bits === 'number' ? 'loftq' : init
}

/** An adapter of the whole model has no use for them. */
function refuseTargets(config: FinetuneConfig, adapter: string): void {
  const given = [
    ['lora_target_modules', config.lora_target_modules !== null],
    ['lora_target_linear', config.lora_target_linear],
    ['lora_exclude_modules', config.lora_exclude_modules !== null],
    ['peft_layers_to_transform', config.peft_layers_to_transform !== null],
    ['peft_layers_pattern', config.peft_layers_pattern !== null],
    ['lora_modules_to_save', config.lora_modules_to_save.length > 0],
    ['peft_trainable_token_indices', config.peft_trainable_token_indices !== null],
    ['peft_ensure_weight_tying', config.peft_ensure_weight_tying],
  ] as const
  const failures = given.flatMap(([key, isGiven]) =>
    isGiven ? [{ path: [key], what: `${adapter} is of the whole model and has no use for it` }] : [],
  )
  if (failures.length > 0) throw new ConfigError(failures)
}

interface Targets {
  readonly targetModules: readonly string[] | string
  readonly excludeModules: readonly string[] | string | null
  readonly layersToTransform: readonly number[] | null
  readonly layersPattern: readonly string[] | string | null
}

/** The keys are named after LoRA, as in axolotl, and mean the same for every adapter. */
function targetsOf(
  config: FinetuneConfig,
  model: Model,
  { targets }: Pick<Capabilities['adapter'], 'targets'> = {},
): Targets {
  const { type } = model.info
  const named = config.lora_target_modules ?? targets?.[type] ?? DEFAULT_TARGETS[type]
  const targetModules = config.lora_target_linear ? 'all-linear' : named
  if (targetModules === undefined)
    throw new TrituneError('E_CONFIG', `there are no default targets for ${type}`, {
      remedy: 'set lora_target_modules, or lora_target_linear: true',
    })
  return {
    targetModules,
    excludeModules: config.lora_exclude_modules,
    layersToTransform: config.peft_layers_to_transform,
    layersPattern: config.peft_layers_pattern,
  }
}

/** Parameters alone are no reason to go on modules too. */
function loraTargets(
  config: FinetuneConfig,
  model: Model,
): Targets & { readonly targetParameters: readonly string[] } {
  const { lora_target_parameters: targetParameters } = config
  const isAlone =
    targetParameters.length > 0 && config.lora_target_modules === null && !config.lora_target_linear
  const given = isAlone ? { ...config, lora_target_modules: [] } : config
  return { ...targetsOf(given, model), targetParameters }
}

/** The key that an error of attaching is about: what it says is in PEFT's names. */
const KEYS: readonly (readonly [RegExp, string])[] = [
  [/^exclude_modules\b/, 'lora_exclude_modules'],
  [/^rank_pattern\b/, 'lora_rank_pattern'],
  [/^alpha_pattern\b/, 'lora_alpha_pattern'],
  [/^target_modules\b/, 'lora_target_modules'],
  [/^target_parameters\b/, 'lora_target_parameters'],
  [/^modules_to_save\b/, 'lora_modules_to_save'],
  [/^trainable_token_indices\b/, 'peft_trainable_token_indices'],
  [/^layers_to_transform\b/, 'peft_layers_to_transform'],
  [/^layers_pattern\b/, 'peft_layers_pattern'],
  [/: rank \d+ is larger than/, 'lora_r'],
]

function attaching<T>(attach: () => T): T {
  try {
    return attach()
  } catch (error) {
    const isAbout = error instanceof TrituneError && error.code === 'E_ADAPTER'
    const [, key] = (isAbout && KEYS.find(([said]) => said.test(error.message))) || [null, null]
    if (key === null) throw error
    throw new ConfigError(failuresAtKey([key], error))
  }
}
