/**
 * Learning rates of some parameters: `embedding_lr`, `embedding_lr_scale` and `lr_groups`, as axolotl groups them. The schedule holds for
 * all: each rate is a factor on it.
 */
import {
  ConfigError,
  type GradientTransform,
  type Parameters,
  type TransformContext,
} from '../../../core/mod.ts'
import type { FinetuneOptions } from '../config/finetune-options.ts'

type Rates = Pick<FinetuneOptions, 'learning_rate' | 'embedding_lr' | 'embedding_lr_scale' | 'lr_groups'>

export interface LearningRates {
  /** The first link of the chain; none where all have the same rate. */
  readonly links: readonly GradientTransform[]
  readonly decays: TransformContext['decays']
}

/**
 * Who gets which rate. With any of these keys, embeddings and output head do not decay, as in axolotl.
 * @throws ConfigError for a group that no parameter is in
 */
export function learningRates(
  { learning_rate, embedding_lr, embedding_lr_scale, lr_groups }: Rates,
  parameters: Parameters,
  decays: TransformContext['decays'],
): LearningRates {
  if (embedding_lr === null && embedding_lr_scale === null && lr_groups.length === 0)
    return { links: [], decays }
  const ofEmbeddings = embedding_lr_scale ?? (embedding_lr ?? learning_rate) / learning_rate
  const groupOf = (name: string): number =>
    lr_groups.findIndex(({ modules }) => modules.some((module) => name.includes(module)))
  const factors = new Map<string, number>()
  const found = new Set<number>()
  for (const name of parameters.keys()) {
    const group = isEmbedding(name) || !decays(name) ? -1 : groupOf(name)
    found.add(group)
    if (isEmbedding(name)) factors.set(name, ofEmbeddings)
    else if (group >= 0) factors.set(name, lr_groups[group].lr / learning_rate)
  }
  const empty = lr_groups.flatMap(({ name }, i) =>
    found.has(i)
      ? []
      : [
          {
            path: ['lr_groups', i, 'modules'],
            what: `no trained parameter is in the group ${name}`,
            remedy:
              'modules are parts of the names of parameters; embeddings, norms and biases are in no group',
          },
        ],
  )
  if (empty.length > 0) throw new ConfigError(empty)
  return {
    links: [scaledRates((name) => factors.get(name) ?? 1)],
    decays: (name) => !isEmbedding(name) && decays(name),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isEmbedding(name: string): boolean {
  return /embed_tokens|lm_head|(^|\.)w[tp]e\./.test(name)
}

function scaledRates(factorOf: (name: string) => number): GradientTransform {
  return {
    name: 'learning-rates',
    init: () => ({
      apply(step) {
        const { lrScale } = step
        step.lrScale = (name) => factorOf(name) * (lrScale ? lrScale(name) : 1)
      },
      tensors: () => new Map(),
      [Symbol.dispose]() {},
    }),
  }
}
