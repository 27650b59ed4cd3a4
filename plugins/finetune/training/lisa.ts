/**
 * The strategy `lisa` (Pan et al. 2024, arXiv 2403.17919): of the blocks of a model only a few are trained at a time, others every so many steps; what
 * stands outside of blocks is always trained. The moments of a block wait while it rests.
 */
import {
  createRandom,
  defineOptions,
  integer,
  type Strategy,
  type StrategyDefinition,
  type StrategyRun,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'

/** Options of `lisa`, which axolotl calls `lisa_n_layers` and `lisa_step_interval`. */
export interface LisaOptions {
  /** Blocks that are trained at a time. */
  readonly layers: number
  /** Steps after which others are. */
  readonly interval: number
}

/** Trains so many blocks at a time, drawn anew by the seed. */
export const lisa: StrategyDefinition<LisaOptions> = {
  name: 'lisa',
  options: defineOptions<LisaOptions>({ layers: integer({ min: 1 }), interval: integer({ min: 1 }) }),
  create: createLisa,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Weight {
  readonly tensor: Tensor
  /** Where its gradient lies while it is trained. */
  readonly grad: Tensor | null
}

function createLisa({ layers, interval }: LisaOptions, { parameters, seed }: StrategyRun): Strategy {
  const blocks = new Map<number, Weight[]>()
  for (const [name, tensor] of parameters) {
    const block = blockOf(name)
    if (block === null) continue
    const weight = { tensor, grad: tensor.grad }
    const list = blocks.get(block)
    if (list) list.push(weight)
    else blocks.set(block, [weight])
  }
  if (blocks.size < layers)
    throw new TrituneError(
      'E_CONFIG',
      `lisa trains ${layers} blocks at a time, of which ${blocks.size} are trained`,
      {
        remedy: 'ask for fewer; adapters are trained whole, lisa is for adapter: none',
      },
    )
  const setTrained = (isTrained: (block: number) => boolean): void => {
    for (const [block, weights] of blocks)
      for (const { tensor, grad } of weights) {
        tensor.requiresGrad = isTrained(block)
        tensor.grad = isTrained(block) ? grad : null
      }
  }
  let turn = -1
  return {
    step({ step }, next) {
      const now = Math.floor(step / interval)
      if (now !== turn) {
        turn = now
        const order = [...blocks.keys()]
        createRandom(seed, `lisa ${now}`).shuffle(order)
        const chosen = new Set(order.slice(0, layers))
        setTrained((block) => chosen.has(block))
      }
      return next()
    },
    [Symbol.dispose]: () => setTrained(() => true),
  }
}

/** `model.layers.3.…` and `transformer.h.3.…`; null outside of blocks. */
function blockOf(name: string): number | null {
  const number = /(?:^|\.)(?:layers|h|blocks)\.(\d+)\./.exec(name)?.[1]
  return number === undefined ? null : Number(number)
}
