/**
 * The parts of a run that the file asks for by name: looked up among the plugins, their options checked, then made.
 *
 * `findParts` finds every fault at once, before there is a model; `Parts` then makes each part when what it needs is there.
 */
import {
  type Capabilities,
  chain,
  clipByGlobalNorm,
  ConfigError,
  type ExampleKind,
  type ConfigFailure,
  type ConfigPath,
  type GradientTransform,
  type Host,
  inPlugin,
  type LayerForms,
  type Monitor,
  type MonitorContext,
  type Objective,
  type Sampler,
  type SamplerContext,
  type Strategy,
  type StrategyRun,
  type TransformContext,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import type { Quantizer } from '../../qlora/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { loraPlus } from '../../peft/mod.ts'
import { KEYS_OF_OPTIONS, optimizerOf } from '../config/optimizer-names.ts'
import { keyOfObjective } from '../config/preference-options.ts'
import { orOfPlugin } from '../plugins/plugin-remedy.ts'
import type { Named } from '../config/named.ts'
import type { Divides } from '../parallel/divided-weights.ts'
import type { NamedPart } from '../run.ts'

export interface Parts {
  /** What comes first, then transforms, clipping, optimizer: one chain. */
  optimizer(
    context: TransformContext,
    first?: readonly GradientTransform[],
    /** What is made of the optimizer, the last link. */
    around?: (last: GradientTransform) => GradientTransform,
  ): GradientTransform
  /** How the optimizer can be divided over processes; null: it cannot. */
  readonly divides: Divides | null
  objective(): Objective
  strategies(run: StrategyRun): NamedPart<Strategy>[]
  monitors(context: MonitorContext): NamedPart<Monitor>[]
  sampler(context: SamplerContext): Sampler | null
  /** Packs the frozen weights; null: they stay as they are. */
  quantizer(): Quantizer | null
  /** Without an adapter: how the layers compute with weights that are trained; null: as they are. */
  forms(): LayerForms | null
}

/** Throws a `ConfigError` with every name that nobody provides and every option that is refused. */
export function findParts(config: FinetuneConfig, host: Host): Parts {
  const failures: ConfigFailure[] = []
  const find = <C, T>(
    lookUp: (name: string) => Definition<C, T>,
    { name, options }: Named,
    path: ConfigPath,
    pathOfOption: (option: ConfigPath) => ConfigPath = (option) => [...path, ...option],
  ): Maker<C, T> => ({ name, make: makerOf(() => lookUp(name), options, { path, pathOfOption }, failures) })

  const optimizer = find<TransformContext, GradientTransform>(
    (name) => host.find('optimizer', name),
    optimizerOf(config),
    ['optimizer'],
    ([option, ...rest]) => keyOfOption(config, option, rest),
  )
  const divides = failures.length === 0 ? (host.find('optimizer', optimizer.name).divides ?? null) : null
  if (failures.length === 0 && config.zero_stage === 1 && divides === null)
    failures.push({
      path: ['zero_stage'],
      what: `optimizer: ${config.optimizer} cannot be divided over processes`,
      remedy: `leave out zero_stage, or take one of ${dividing(host).join(', ')}`,
    })
  const transforms = config.transforms.map((asked, i) =>
    find<TransformContext, GradientTransform>((name) => host.find('transform', name), asked, [
      'transforms',
      i,
    ]),
  )
  const objective = find<undefined, Objective>(
    (name) => host.find('objective', name),
    objectiveOf(config),
    keyOfObjective(config, []),
    (option) => keyOfObjective(config, option),
  )
  const strategies = config.strategy.map((asked, i) =>
    find<StrategyRun, Strategy>((name) => host.find('strategy', name), asked, ['strategy', i]),
  )
  const monitors = config.monitors.map((asked, i) =>
    find<MonitorContext, Monitor>((name) => host.find('monitor', name), asked, ['monitors', i]),
  )
  const trackers = config.trackers.map(({ key, keys, ...asked }) =>
    find<MonitorContext, Monitor>(
      (name) => host.find('monitor', name),
      asked,
      [key],
      ([option, ...rest]) => [keys[String(option)] ?? key, ...rest],
    ),
  )
  const sampler =
    config.sampler &&
    find<SamplerContext, Sampler>((name) => host.find('sampler', name), config.sampler, ['sampler'])
  const { quantizer: asked, adapter } = config
  const quantizer =
    asked &&
    adapter !== null &&
    find<undefined, Quantizer>((name) => host.find('quantizer', name), asked, ['quantizer'])
  const forms =
    asked &&
    adapter === null &&
    find<undefined, LayerForms>((name) => training(host.find('quantizer', name)), asked, ['quantizer'])
  if (failures.length > 0) throw new ConfigError(failures)

  return {
    divides,
    optimizer: (context, first = [], around = (last) => last) =>
      chain(
        ...first,
        ...transforms.map((one) => checkedTransform(one.name, one.make(context))),
        clipByGlobalNorm(config.max_grad_norm),
        ...loraPlusOf(config),
        around(checkedTransform(optimizer.name, optimizer.make(context))),
      ),
    objective: () => objective.make(undefined),
    strategies: (run) => strategies.map(({ name, make }) => ({ name, part: make(run) })),
    monitors: (context) =>
      [...monitors, ...trackers].map(({ name, make }) => ({ name, part: make(context) })),
    sampler: (context) => (sampler ? sampler.make(context) : null),
    quantizer: () => (quantizer ? quantizer.make(undefined) : null),
    forms: () => (forms ? forms.make(undefined) : null),
  }
}

/** What the objective of a run takes; single documents when nobody provides the objective, which is told elsewhere. */
export function exampleKind({ objective: { name } }: FinetuneConfig, host: Host): ExampleKind {
  const all: Readonly<Record<string, Pick<Capabilities['objective'], 'takes'>>> = host.all('objective')
  return (Object.hasOwn(all, name) ? all[name].takes : undefined) ?? 'document'
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Names of the optimizers that can. */
function dividing(host: Host): string[] {
  return Object.values(host.all('optimizer')).flatMap(({ name, divides }) => (divides ? [name] : []))
}

interface Definition<C, T> {
  readonly name: string
  readonly options?: ValidatableConfig<unknown>
  create(options: unknown, context: C): T
}

interface Maker<C, T> {
  readonly name: string
  make(context: C): T
}

/** Checks the options at once; what fails is collected under the keys of the file. */
function makerOf<C, T>(
  lookUp: () => Definition<C, T>,
  options: Named['options'],
  places: Places,
  failures: ConfigFailure[],
): (context: C) => T {
  try {
    const definition = lookUp()
    const what = `${String(places.path[0])} ${definition.name}`
    if (typeof definition.create !== 'function')
      throw new ConfigError([{ path: [], what: `the ${what} of a plugin has no create()`, code: 'E_PLUGIN' }])
    const checked = definition.options ? definition.options.validate(options) : options
    return (context) =>
      placing(places, () => inPlugin(`the ${what}`, () => definition.create(checked, context)))
  } catch (error) {
    failures.push(...failuresOf(error, places))
    return () => {
      throw error
    }
  }
}

/** With what has a key of its own. */
function objectiveOf({ objective, label_smoothing_factor: smoothing }: FinetuneConfig): Named {
  const { name, options } = objective
  return smoothing === 0 ? objective : { name, options: { label_smoothing: smoothing, ...options } }
}

/** A quantizer for weights that are trained; what it refuses is told with the other faults. */
function training(definition: Capabilities['quantizer']): Definition<undefined, LayerForms> {
  const { name, options } = definition
  const { createForms }: { createForms?(options: unknown): LayerForms } = definition
  if (!createForms)
    throw new ConfigError([
      {
        path: [],
        what: 'packed weights cannot be trained, and without an adapter all are',
        remedy: 'set adapter: lora; or quantizer: bitnet, which trains the weights that it rounds',
      },
    ])
  return {
    name,
    create: createForms,
    options: {
      ...options,
      validate(input) {
        const checked = options.validate(input)
        createForms(checked)
        return checked
      },
    },
  }
}

/** The rates of LoRA+, before the optimizer. */
function loraPlusOf({
  learning_rate: learningRate,
  loraplus_lr_ratio: ratio,
  loraplus_lr_embedding: embedding,
}: FinetuneConfig): GradientTransform[] {
  return ratio === null ? [] : [loraPlus({ ratio, embedding, learningRate })]
}

/** A transform whose state has what the trainer needs, and whose mistakes are told with its name. */
function checkedTransform(name: string, { name: own, init }: GradientTransform): GradientTransform {
  const what = `the optimizer or transform ${name}`
  return {
    name: own,
    init(parameters) {
      const state = inPlugin(what, () => init(parameters))
      const missing = (['apply', 'tensors', Symbol.dispose] as const).filter(
        (key) => typeof Reflect.get(state, key) !== 'function',
      )
      if (missing.length === 0) return state
      const names = missing.map((key) => (typeof key === 'symbol' ? '[Symbol.dispose]' : key)).join(', ')
      throw new TrituneError('E_PLUGIN', `the state of ${what} has no ${names}`, {
        remedy: 'init() returns { apply(step), tensors(), [Symbol.dispose]() }',
      })
    },
  }
}

/** Where the file names a part, and where it has an option of it. */
interface Places {
  readonly path: ConfigPath
  pathOfOption(option: ConfigPath): ConfigPath
}

/** Some options of an optimizer can have keys of their own. */
function keyOfOption(
  { optim_args }: FinetuneConfig,
  option: ConfigPath[number],
  rest: ConfigPath,
): ConfigPath {
  const keys: Readonly<Record<string, string>> = KEYS_OF_OPTIONS
  const isKey =
    typeof option === 'string' && Object.hasOwn(keys, option) && !Object.hasOwn(optim_args, option)
  return isKey ? [keys[option], ...rest] : ['optim_args', option, ...rest]
}

/** Options that do not go together can show only when the part is made. */
function placing<T>(places: Places, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(failuresOf(error, places)) : error
  }
}

function failuresOf(error: unknown, { path, pathOfOption }: Places): ConfigFailure[] {
  if (error instanceof ConfigError)
    return error.failures.map((failure) => ({
      ...failure,
      path: failure.path.length === 0 ? path : pathOfOption(failure.path),
    }))
  if (error instanceof TrituneError && error.code === 'E_NAME')
    return [{ path, what: error.message.split('\n')[0], remedy: orOfPlugin(error.remedy) }]
  throw error
}
