/**
 * What rounding a trained model to ternary planes costs: perplexity with one plane and with two, beside the model as it is. Weights of linear layers
 * only; activations are not rounded. `--model` names the model, else it is that of the quickstart; the text is held-out Moby-Dick.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { headCrossEntropy, noGrad, tensor, type Tensor, tensorScope } from '../../../core/mod.ts'
import { dualPlane, type DualPlaneOptions, ternarize } from '../../../plugins/bitnet/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { ROOT } from '../../_setup.ts'
import type { Row, Topic } from '../_topic.ts'

const LENGTH = 256

export const bitnetPlanes: Topic = {
  name: 'bitnet-planes',
  async run({ model, only, threads, quick, progress }) {
    const path = model ?? join(ROOT, 'quickstart/model')
    const documents = heldOut(path, quick ? 4 : 24)
    const device = openCpu({ threads })
    const measured = (name: string, round: Rounding | null): number => {
      using loaded = loadModel(path, { device, dtype: 'f32', ...(round ? { pack: rounding(round) } : {}) })
      let [sum, count] = [0, 0]
      for (const ids of documents) {
        using _scope = tensorScope()
        const targets = tensor([...ids.slice(1), -100], { dtype: 'i32', device })
        sum += noGrad(() =>
          headCrossEntropy(loaded.head, loaded.hidden(createBatch({ ids }, device)), targets, { scale: 1 }),
        ).item()
        count += ids.length - 1
      }
      const value = Math.exp(sum / count)
      progress(`${name}: perplexity ${value.toFixed(2)}`)
      return value
    }
    const plain = measured('as it is', null)
    const wanted = Object.entries(ROUNDINGS).filter(([name]) => only === null || name.includes(only))
    return wanted.map(([name, round]): Row => {
      const ours = measured(name, round)
      const unit = 'perplexity'
      return { name, ours, peer: plain, unit, ratio: ours / plain, floor: null, goal: null, better: 'lower' }
    })
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Rounding = (values: Float32Array, shape: readonly number[]) => Float32Array

const planes =
  (options: DualPlaneOptions): Rounding =>
  (values, shape) => {
    // Groups that divide the columns.
    const group = [options.group ?? 128, 64, 32].find((size) => shape[1] % size === 0) ?? shape[1]
    return dualPlane(values, shape, { ...options, group }).values
  }

const ROUNDINGS: Readonly<Record<string, Rounding>> = {
  'one plane, one scale': (values, shape) => onePlane(values, shape, 0),
  'one plane, groups of 64': (values, shape) => onePlane(values, shape, 64),
  'two planes, groups of 128': planes({}),
  'two planes, groups of 64': planes({ group: 64 }),
  'two planes, groups of 64, turned': planes({ group: 64, rotate: true }),
}

function onePlane(values: Float32Array, shape: readonly number[], block: number): Float32Array {
  const { packed, scales } = ternarize(values, shape, { scale: 'absmean', block })
  const quarter = values.length / 4
  const span = block === 0 ? values.length : block
  return values.map((_, i) => {
    const trit = ((packed[i % quarter] >> (2 * Math.floor(i / quarter))) & 3) - 1
    return trit * scales[Math.floor(i / span)]
  })
}

function rounding(round: Rounding): (path: string, weight: Tensor) => Tensor {
  return (_, weight) => {
    const { shape, device } = weight
    return tensor(round(Float32Array.from(weight.toArray()), shape), { shape, device })
  }
}

function heldOut(path: string, count: number): number[][] {
  const tokenizer = loadTokenizer(path)
  const lines = readFileSync(join(ROOT, 'quickstart/moby-dick.eval.jsonl'), 'utf8').trim().split('\n')
  return lines.slice(0, count).map((line) => {
    const record: { text: string } = JSON.parse(line)
    return [...tokenizer.encode(record.text, { addSpecialTokens: false })].slice(0, LENGTH)
  })
}
