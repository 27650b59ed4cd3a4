/** Parts of a plugin, and what is read of a tokenizer and of tensors. Compiled by type-matrix.test.ts as a user's file, never run. */
import {
  add,
  createHost,
  decimal,
  defineOp,
  defineOptions,
  definePlugin,
  type MonitorDefinition,
  mul,
  type Op,
  optional,
  run,
  type SamplerDefinition,
  type StrategyDefinition,
  tensor,
  type Tensor,
  tensorScope,
} from 'tritune/core'
import { generate } from 'tritune/plugins/generate'
import { peft } from 'tritune/plugins/peft'
import { loadTokenizer } from 'tritune/plugins/tokenizer'

interface Options {
  readonly above: number
}

const loud: MonitorDefinition<Options> = {
  name: 'loud',
  options: defineOptions({ above: optional(decimal({ min: 0 }), 2) }),
  create({ above }, { outputDir }) {
    const seen: string[] = []
    return {
      onEvent(event) {
        if (event.type === 'step' && event.report.loss > above) seen.push(`${outputDir} ${event.report.step}`)
      },
    }
  },
}

const plugin = definePlugin({ name: 'loud', provides: { monitor: { loud } } })

const host = createHost({ plugins: [peft, plugin] })
export const name: string = host.get('monitor', 'loud').name
// @ts-expect-error: nobody provides it
host.get('monitor', 'lout')

const double: Op<{ readonly x: Tensor }, { readonly by: number }, { readonly y: Tensor }> = defineOp({
  name: 'double',
  outputs: ({ x }) => ({ y: { shape: x.shape, dtype: x.dtype } }),
  reference({ inputs: { x }, params: { by }, outputs: { y } }) {
    for (const [i, value] of x.data.entries()) y.data[i] = value * by
  },
})

export function numbers(): number {
  using _scope = tensorScope()
  const x = tensor([1, 2, 3])
  const { y } = run(double, { x }, { by: 2 })
  return mul(add(x, y), 2).toArray()[0] ?? 0
}

export function tokens(): string {
  const tokenizer = loadTokenizer('models/some')
  const ids = tokenizer.encode('some text')
  return tokenizer.decode(ids)
}

export type Parts = [SamplerDefinition, StrategyDefinition, typeof generate]
