/**
 * The kinds of plugins that `tritune create-plugin` makes: what each does, and how a run's file uses it. A new kind is a line here and a
 * folder of templates/plugin.
 */

export interface PluginKind {
  /** After "tritune: ". */
  readonly summary: string
  /** The lines of a run's file that use it. */
  readonly use: string
  /** What comes before the example can run; else empty. */
  readonly prepare?: string
}

export type PluginKindName =
  | 'adapter'
  | 'quantizer'
  | 'optimizer'
  | 'objective'
  | 'monitor'
  | 'dataset'
  | 'strategy'
  | 'model'
  | 'device'

export const KINDS: Readonly<Record<PluginKindName, PluginKind>> = {
  adapter: {
    summary: 'a change of rank one to each layer.',
    use: 'adapter: my-adapter\nadapter_options: { scale: 1 }\nlora_target_linear: true',
  },
  quantizer: {
    summary: 'eight bits a weight and one scale a row.',
    use: 'quantizer: my-quantizer\nadapter: lora',
  },
  optimizer: {
    summary: 'Lion, which moves each weight by the sign of a smoothed gradient.',
    use: 'optimizer: my-optimizer\noptim_args: { beta1: 0.9, beta2: 0.99 }',
  },
  objective: {
    summary: 'cross-entropy, and a z-loss that keeps the logits small.',
    use: 'objective: { name: my-objective, weight: 0.0001 }',
  },
  monitor: {
    summary: 'a CSV file with a line for each step.',
    use: 'monitors: [{ name: my-monitor, file: my-monitor.csv }]',
  },
  dataset: {
    summary: 'records of a question and its answer, of which the answer is learned.',
    use: 'datasets:\n  - path: questions.jsonl\n    type: my-dataset',
  },
  strategy: {
    summary: 'no backward pass where a window is easy already.',
    use: 'strategy: { name: my-strategy, below: 0.5 }',
  },
  model: {
    summary: 'a Llama whose logits are scaled.',
    use: 'base_model: ./a-folder # whose config.json has "model_type": "my-model"',
    prepare: 'bun example/make-model.ts\n',
  },
  device: {
    summary: 'the CPU with an implementation of its own of one op.',
    use: 'device: my-device',
  },
}

export const KIND_NAMES: readonly PluginKindName[] = Object.keys(KINDS) as PluginKindName[]

export function isPluginKind(name: string): name is PluginKindName {
  return Object.hasOwn(KINDS, name)
}
