/**
 * One pass of a model over examples, each linear layer rounded as soon as its input is there.
 */
import { Disposables } from '../../../core/disposables.ts'
import {
  type Adapter, add, baseForward, cast, concat, type Layer, matmulOp, type Model, noGrad, type QuantizedWeight, run, sub, Tensor, tensorScope, type TokenBatch, withAdapters, affine,
} from '../../../core/mod.ts'
import { aimed, prepare, type Prepared, roundWeight, type RoundWeightOptions } from './round-weight.ts'

export interface CalibrateOptions extends RoundWeightOptions {
  readonly layers: ReadonlySet<string>
  /** The batch has every token twice: the first half meets plain weights. */
  readonly twice?: number
  readonly onLayer?: (path: string, done: number, of: number) => void
}

export function calibrate(model: Model, tokens: TokenBatch, options: CalibrateOptions): Map<string, QuantizedWeight> {
  const found = new Map<string, QuantizedWeight>()
  let known: { x: Tensor; prepared: Prepared; gap: Tensor | null } | null = null
  const times = { h: 0, prepare: 0, round: 0, forward: 0 }
  let last = performance.now()
  const lap = (name: keyof typeof times) => { const now = performance.now(); times[name] += now - last; last = now }
  using _scope = tensorScope()
  noGrad(() =>
    withAdapters(model, [], () => {
      using watched = new Disposables()
      for (const layer of model.layers.values()) {
        if (!options.layers.has(layer.path)) continue
        const watch: Adapter = {
          kind: 'gptq',
          forward(x, base) {
            lap('forward')
            if (!(base.weight instanceof Tensor)) throw new Error('packed')
            const [total, n] = x.shape
            const half = options.twice ? total / 2 : 0
            const mine = x.rowsView(half, total - half)
            if (known?.x !== x) {
              known?.gap?.dispose()
              using s = tensorScope()
              const h = run(matmulOp, { a: mine, b: mine }, { transposeA: true, transposeB: false, wide: true }).c.toArray()
              let gap: Tensor | null = null
              if (options.twice) {
                const other = x.rowsView(0, half)
                const lost = sub(other, mine)
                const product = run(matmulOp, { a: lost, b: mine }, { transposeA: true, transposeB: false, wide: true }).c
                gap = affine(product, { scale: options.twice })
                gap.adopt(null)
              }
              lap('h')
              known = { x, prepared: prepare(h, n), gap }
              lap('prepare')
            }
            using plain = cast(base.weight, 'f32')
            const { prepared, gap } = known
            let target = plain
            if (gap) { using change = aimed(plain, gap, prepared); target = add(plain, change) }
            const packed = roundWeight(target, prepared, options)
            if (gap) target.dispose()
            found.set(layer.path, packed)
            lap('round')
            options.onLayer?.(layer.path, found.size, options.layers.size)
            const rounded = baseForward({ ...base, weight: packed }, mine)
            if (!options.twice) return rounded
            return concat([baseForward(base, x.rowsView(0, half)), rounded])
          },
          parameters: () => ({}),
          [Symbol.dispose]() {},
        }
        const slot = { name: 'gptq', adapter: watch, weight: 1 }
        layer.adapters.push(slot)
        watched.defer(() => layer.adapters.splice(layer.adapters.indexOf(slot), 1))
      }
      model.hidden(tokens)
    }),
  )
  console.error(JSON.stringify(times))
  return found
}
