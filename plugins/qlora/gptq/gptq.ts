/**
 * The linear layers of a model in 4 bits of bitsandbytes, rounded by what goes into them (GPTQ, Frantar et al. 2022, arXiv 2210.17323).
 *
 * One pass over all texts at once: each layer is rounded as soon as its inputs are there, and computes on with the rounded weight. Beside it the
 * same texts go through the plain weights, so that every layer also makes up for what was lost before it.
 */
import { Disposables } from '../../../core/disposables.ts'
import {
  type Adapter,
  type BaseLayer,
  baseForward,
  concat,
  isQuantized,
  type Layer,
  type Model,
  noGrad,
  type QuantizedWeight,
  tensor,
  type Tensor,
  tensorScope,
  type TokenBatch,
  TrituneError,
  type WeightSource,
  withAdapters,
} from '../../../core/mod.ts'
import { expectBlock } from '../../../core/tensor/quantized-weight.ts'
import { type LayerInputs, layerInputs } from './layer-inputs.ts'
import { type FourBitForm, roundWeight } from './round-weight.ts'

/** The f64 matrix of a layer is one array, which holds 4 GiB. */
const MOST_INPUTS = 23_170

/** Options of `gptq()`. */
export interface GptqOptions extends Partial<FourBitForm> {
  /** Module paths of the layers to round; default: all linear ones but the head. */
  readonly layers?: ReadonlySet<string>
  /** Told of each layer that is done. */
  readonly onLayer?: (done: number, of: number) => void
}

/** Rounded weights by module path. They are freed with it, except those that `pack` has given away. */
export interface GptqWeights extends Disposable {
  readonly weights: ReadonlyMap<string, QuantizedWeight>
  /** For `loadModel()`: gives each weight to the layer of its path, once; null for other layers. */
  readonly pack: NonNullable<WeightSource['pack']>
}

/**
 * Rounds the layers of a plain model, which is as before afterwards. `texts`: token ids of each. Memory: the activations of one block for all
 * tokens twice; time: n³/3 on the host for a layer of n inputs, besides the passes. E_DATA for fewer tokens than a layer has inputs, E_UNSUPPORTED
 * for packed models, mixtures of experts and layers of more than 23,170 inputs, E_VALUE for activations or weights that are not finite.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { gptq } from 'tritune/plugins/qlora'
 *
 * using plain = loadModel('my-model')
 * const text = Array.from({ length: 256 }, (_, i) => 5 + (i % 24)) // tokens of what it will be used on
 * using rounded = gptq(plain, [text], { block: 32 })
 * using model = loadModel('my-model', { pack: rounded.pack }) // its layers have the weights now
 * console.log(rounded.weights.size) // → 0
 * ```
 */
export function gptq(
  model: Model,
  texts: readonly ArrayLike<number>[],
  options: GptqOptions = {},
): GptqWeights {
  const { kind = 'nf4', block = 64, doubleQuant = true, onLayer } = options
  expectBlock('gptq', block)
  expectRoundable(model, texts, options)
  const layers = layersOf(model, options)
  const weights = new Map<string, QuantizedWeight>()
  using made = new Disposables()
  using shared = new SharedInputs()
  using _scope = tensorScope()
  noGrad(() =>
    withAdapters(model, [], () => {
      using watched = new Disposables()
      for (const layer of layers)
        watched.use(
          watch(layer, (base, x) => {
            if (weights.has(base.path))
              throw new TrituneError('E_UNSUPPORTED', `${base.path} is met twice in one pass`, {
                remedy: `leave it as it is: skip ${base.path}`,
              })
            const inputs = shared.of(x, base.path)
            const weight = roundWeight(weightOf(base), inputs, { kind, block, doubleQuant, place: base.path })
            weights.set(base.path, made.use(weight))
            onLayer?.(weights.size, layers.length)
            return weight
          }),
        )
      model.hidden(twice(texts, model))
    }),
  )
  const missed = layers.find(({ path }) => !weights.has(path))
  if (missed)
    throw new TrituneError('E_UNSUPPORTED', `${missed.path}: nothing goes through it`, {
      remedy: `leave it as it is: skip ${missed.path}`,
    })
  made.move()
  return given(weights)
}

/**
 * Whether `gptq()` can round the model by the texts; nothing is computed, so a model on a device of shapes alone will do. Throws as `gptq()` but for
 * numbers that are not finite.
 */
export function expectRoundable(
  model: Model,
  texts: readonly ArrayLike<number>[],
  options: Pick<GptqOptions, 'layers'> = {},
): void {
  const layers = layersOf(model, options)
  if (model.expertParameters?.size)
    throw new TrituneError(
      'E_UNSUPPORTED',
      `a ${model.info.type} has experts, which see too little of any text to be rounded by it`,
      { remedy: 'pack it without texts' },
    )
  for (const layer of layers) weightOf(layer)
  if (layers.length === 0)
    throw new TrituneError('E_VALUE', 'there is no layer to round', { remedy: 'skip fewer layers' })
  const tokens = texts.reduce((sum, { length }) => sum + length, 0)
  const tooWide = layers.find(({ inputs }) => inputs > MOST_INPUTS)
  if (tooWide)
    throw new TrituneError(
      'E_UNSUPPORTED',
      `${tooWide.path} has ${tooWide.inputs} inputs, and texts round at most ${MOST_INPUTS}: a matrix of them squared is on the host`,
      { remedy: `leave it as it is: skip ${tooWide.path}` },
    )
  const widest = layers.reduce((most, one) => (one.inputs > most.inputs ? one : most))
  if (tokens < widest.inputs)
    throw new TrituneError(
      'E_DATA',
      `${tokens} tokens are too few to round by: ${widest.path} has ${widest.inputs} inputs`,
      { remedy: 'give more or longer texts (rows and length): ten times as many tokens are better' },
    )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function layersOf(model: Model, { layers }: Pick<GptqOptions, 'layers'>): Layer[] {
  return [...model.layers.values()].filter(
    ({ kind, path }) => kind === 'linear' && (layers?.has(path) ?? true),
  )
}

function weightOf({ weight, form, path }: BaseLayer): Tensor {
  const refused = (what: string, remedy: string): TrituneError =>
    new TrituneError('E_UNSUPPORTED', what, { remedy })
  if (isQuantized(weight)) throw refused(`${path} is packed already`, 'round the plain model')
  if (form)
    throw refused(
      `${path}: a layer of the form ${form.name} has no 4 bits`,
      `leave it as it is: skip ${path}`,
    )
  return weight
}

/** All texts, and then all of them again. */
function twice(texts: readonly ArrayLike<number>[], { head: { device } }: Model): TokenBatch {
  const ids: number[] = []
  const positions: number[] = []
  const offsets = [0]
  for (const text of [...texts, ...texts]) {
    for (let i = 0; i < text.length; i++) {
      ids.push(text[i])
      positions.push(i)
    }
    offsets.push(ids.length)
  }
  const options = { dtype: 'i32', device } as const
  return {
    ids: tensor(ids, options),
    positions: tensor(positions, options),
    offsets: tensor(offsets, options),
    positionCount: texts.reduce((most, { length }) => Math.max(most, length), 0),
    host: { positions, offsets, ids },
  }
}

/** Until it is disposed, the second half of what goes through the layer meets the weight that `round` makes. */
function watch(layer: Layer, round: (base: BaseLayer, x: Tensor) => QuantizedWeight): Disposable {
  const adapter: Adapter = {
    kind: 'gptq',
    forward(x, base) {
      const weight = round(base, x)
      const [plain, rounded] = halves(x)
      return concat([baseForward(base, plain), baseForward({ ...base, weight }, rounded)])
    },
    parameters: () => ({}),
    [Symbol.dispose]() {},
  }
  const slot = { name: 'gptq', adapter, weight: 1 }
  layer.adapters.push(slot)
  return { [Symbol.dispose]: () => void layer.adapters.splice(layer.adapters.indexOf(slot), 1) }
}

/** x (2T, in) → (T, in) of the plain weights, (T, in) of the rounded ones. */
function halves(x: Tensor): readonly [Tensor, Tensor] {
  const half = x.shape[0] / 2
  return [x.rowsView(0, half), x.rowsView(half, half)]
}

/** Layers that get the same tensor one after the other (query, key and value) share what is made of it. */
class SharedInputs implements Disposable {
  #known: { readonly x: Tensor; readonly inputs: LayerInputs } | null = null

  of(x: Tensor, place: string): LayerInputs {
    if (this.#known?.x === x) return this.#known.inputs
    this[Symbol.dispose]()
    const [plain, rounded] = halves(x)
    const inputs = layerInputs(rounded, plain, place)
    this.#known = { x, inputs }
    return inputs
  }

  [Symbol.dispose](): void {
    this.#known?.inputs[Symbol.dispose]()
    this.#known = null
  }
}

/** Each weight has one owner: this map, or the layer that it was given to. */
function given(weights: Map<string, QuantizedWeight>): GptqWeights {
  return {
    weights,
    pack(path) {
      const weight = weights.get(path) ?? null
      weights.delete(path)
      return weight
    },
    [Symbol.dispose]() {
      for (const weight of weights.values()) weight[Symbol.dispose]()
      weights.clear()
    },
  }
}
