/**
 * log p of every token of some completions, at the temperature at which they are sampled, as trl has it.
 */
import {
  affine,
  embedding,
  headLogProbs,
  type Model,
  noGrad,
  tensor,
  type Tensor,
  tensorScope,
  type TokenBatch,
  TrituneError,
} from '../../core/mod.ts'
import { concatenate, type TokenizedExample } from '../data/mod.ts'
import { createBatch } from '../models/mod.ts'
import { rolloutNumbers } from './rollout-example.ts'

/** The log-probabilities of the tokens of all completions of a batch, one after the other, (R) f32, with gradients. */
export function completionLogProbs(
  model: Model,
  tokens: TokenBatch,
  examples: readonly TokenizedExample[],
  { temperature, checkpointing }: { readonly temperature: number; readonly checkpointing: boolean },
): Tensor {
  const { device } = tokens.ids
  const rows: number[] = []
  const targets: number[] = []
  let start = 0
  for (const example of examples) {
    const { promptLength } = rolloutNumbers(example)
    for (let i = promptLength; i < example.ids.length; i++) {
      rows.push(start + i - 1)
      targets.push(example.ids[i])
    }
    start += example.ids.length
  }
  const ints = { dtype: 'i32', device } as const
  const hidden = embedding(model.hidden(tokens, { checkpointing }), tensor(rows, ints))
  return headLogProbs(model.head, cooled(model, hidden, temperature), tensor(targets, ints))
}

/** The same numbers without gradients, for each completion. */
export function measuredLogProbs(
  model: Model,
  examples: readonly TokenizedExample[],
  { temperature, rowsAtOnce }: { readonly temperature: number; readonly rowsAtOnce: number },
): Float32Array[] {
  const measured: Float32Array[] = []
  for (let first = 0; first < examples.length; first += rowsAtOnce) {
    const part = examples.slice(first, first + rowsAtOnce)
    const all = noGrad(() => {
      using _scope = tensorScope()
      const tokens = createBatch(concatenate(part), model.head.device)
      return completionLogProbs(model, tokens, part, { temperature, checkpointing: false }).toArray()
    })
    let start = 0
    for (const example of part) {
      const length = example.ids.length - rolloutNumbers(example).promptLength
      measured.push(Float32Array.from(all.subarray(start, start + length)))
      start += length
    }
  }
  return measured
}

/** E_UNSUPPORTED for a head whose logits are more than a product, at other temperatures than 1. */
export function checkTemperature({ head }: Pick<Model, 'head'>, temperature: number): void {
  if (temperature === 1 || (!head.bias && !head.softcap)) return
  throw new TrituneError(
    'E_UNSUPPORTED',
    `temperature ${temperature}: the head of this model has a ${head.bias ? 'bias' : 'softcap'}`,
    { place: 'trl.temperature', remedy: 'set temperature: 1' },
  )
}

/** The head is linear, so what goes in can be divided instead of the logits. */
function cooled(model: Model, hidden: Tensor, temperature: number): Tensor {
  checkTemperature(model, temperature)
  return temperature === 1 ? hidden : affine(hidden, { scale: 1 / temperature })
}
