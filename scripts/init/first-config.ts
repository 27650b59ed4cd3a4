/**
 * The text of a first run's file: the keys that people change, each with a word of what it does. Checked as any other file
 * before it is given out.
 */
import { existsSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { invocation } from '../../core/invocation.ts'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { DATASET_TYPES, tellDatasetType } from '../../plugins/data/mod.ts'
import { readFinetuneConfig, writtenContextLength } from '../../plugins/finetune/mod.ts'
import { ownFile } from './own-file.ts'
import { schemaLine } from './schema-line.ts'
import { schemaText } from './schema-text.ts'

export interface FirstConfigOptions {
  /** Not given: the bundled one. */
  readonly model?: string
  readonly data?: string
  /** Not given: told by the first record. */
  readonly type?: string
  readonly adapter: 'lora' | 'qlora' | 'none'
  readonly outputDir?: string
}

/** Throws E_DATA when the data is not there or its type cannot be told, E_USAGE for an unknown type, E_CONFIG… */
export async function firstConfig(file: string, options: FirstConfigOptions): Promise<string> {
  const { model = ownFile('quickstart/model'), outputDir = `./outputs/${basename(file, extname(file))}` } =
    options
  const lines = [
    ...schemaLine(file, schemaText()),
    `# A run of tritune: ${invocation('finetune')} ${basename(file)}`,
    `# Paths start at the folder where that is run. All keys: ${ownFile('docs/yaml.md')}`,
    '',
    '# A name on the Hugging Face hub (org/name), a folder, or a .gguf file.',
    `base_model: ${scalar(model)}`,
    `output_dir: ${scalar(outputDir)}`,
    '',
    ...adapterLines(options.adapter),
    '',
    ...(await dataLines(options)),
    `sequence_len: ${sequenceLength(model)} # the most tokens of an example; memory grows with it`,
    'sample_packing: true # several short examples in a row, without attention between them',
    '',
    'micro_batch_size: 2 # examples, or packed rows, at once; less needs less memory',
    'gradient_accumulation_steps: 1 # batches of a step: more steadies it, at no memory',
    'num_epochs: 3',
    ...rateLines(options),
    'lr_scheduler: cosine',
    'warmup_ratio: 0.03',
    '',
    'saves_per_epoch: 1 # checkpoints: a stopped run goes on with --resume',
    'save_total_limit: 2',
    'logging_steps: 10',
    'seed: 42',
  ]
  const text = `${lines.join('\n')}\n`
  readFinetuneConfig(text, file)
  return text
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const LORA_LINES = [
  'lora_r: 16 # rank: more learns more, and needs more',
  'lora_alpha: 32 # the update is scaled by alpha / rank',
  'lora_target_linear: true # every linear layer but the output head',
]

function adapterLines(adapter: FirstConfigOptions['adapter']): string[] {
  if (adapter === 'none')
    return ['# All weights are trained; adapter: lora trains a small part beside them.', 'adapter: none']
  if (adapter === 'qlora')
    return [
      '# LoRA trains two small matrices beside each layer, on a base that is packed into 4 bits while it is loaded.',
      'adapter: qlora',
      ...LORA_LINES,
    ]
  return [
    '# LoRA trains two small matrices beside each layer; adapter: none trains all weights.',
    'adapter: lora',
    ...LORA_LINES,
  ]
}

async function dataLines({ data, type }: FirstConfigOptions): Promise<string[]> {
  const kind = data === undefined ? 'completion' : (checkedType(type) ?? (await typeOf(data)))
  return [
    `# Types: ${DATASET_TYPES.join(', ')}.`,
    'datasets:',
    `  - path: ${scalar(data ?? ownFile('quickstart/moby-dick.train.jsonl'))}`,
    `    type: ${kind}`,
    ...(data === undefined
      ? [
          'test_datasets: # evaluated after each epoch',
          `  - path: ${scalar(ownFile('quickstart/moby-dick.eval.jsonl'))}`,
          '    type: completion',
        ]
      : ['val_set_size: 0.05 # this part is kept for evaluation']),
  ]
}

/** The bundled model is small: it takes, and needs, a higher rate. */
function rateLines({ model, adapter }: FirstConfigOptions): string[] {
  const rate = model === undefined ? '3e-3' : adapter === 'none' ? '2e-5' : '2e-4'
  return [`learning_rate: ${rate}`]
}

function checkedType(type: string | undefined): string | undefined {
  if (type === undefined || DATASET_TYPES.some((known) => known === type)) return type
  throw new TrituneError('E_USAGE', `--type: there is no dataset type "${type}"`, {
    remedy: didYouMean(type, DATASET_TYPES),
  })
}

/** As many as are usual, or as a model in a folder knows. */
function sequenceLength(model: string): number {
  const known = existsSync(join(model, 'config.json')) ? writtenContextLength(model) : null
  return Math.min(512, known ?? 512)
}

/** By the first record. */
function typeOf(path: string): Promise<string> {
  return tellDatasetType(path, {
    preferences: `answers to prefer are for rl: dpo and its like: ${ownFile('docs/preferences.md')} has the file of such a run`,
    unknown: `name it with --type: ${DATASET_TYPES.join(', ')}`,
  })
}

/** As YAML: plain where it can be nothing but a path or a name on the hub. */
function scalar(text: string): string {
  return /^(\.{0,2}\/)?[A-Za-z][\w@-]*([./][\w@.-]+)+$/.test(text) || /^\.{1,2}\/[A-Za-z][\w-]*$/.test(text)
    ? text
    : JSON.stringify(text)
}
