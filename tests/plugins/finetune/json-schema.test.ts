import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv, { type ValidateFunction } from 'ajv'
import { parse } from 'yaml'
import { ConfigError } from '../../../core/mod.ts'
import { DATASET_KEY_DOCS } from '../../../plugins/data/mod.ts'
import {
  IGNORED_DATASET_KEYS,
  IGNORED_KEYS,
  RENAMED_KEYS,
  UNSUPPORTED_DATASET_KEYS,
  UNSUPPORTED_KEYS,
} from '../../../plugins/finetune/config/keys/axolotl-keys.ts'
import { finetuneConfig, KEY_DOCS, schemaOfFinetune } from '../../../plugins/finetune/mod.ts'

const ROOT = join(import.meta.dir, '../../..')
const schema = schemaOfFinetune()
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true })
// For editors; it says nothing of values.
ajv.addKeyword('doNotSuggest')
const fits: ValidateFunction = ajv.compile(schema)

const LEAST = { base_model: 'x', learning_rate: 1e-4, datasets: [{ path: 'x' }] }

function isValid(input: unknown): boolean {
  try {
    finetuneConfig.validate(input)
    return true
  } catch (error) {
    if (error instanceof ConfigError) return false
    throw error
  }
}

function part(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce((inner, key) => Reflect.get(Object(inner), key), value)
}

function yamlBlocks(file: string): string[] {
  return [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(
    ([, body]) => body,
  )
}

describe('the JSON Schema of a run', () => {
  test('is one, with every key and what is said of it', () => {
    expect(ajv.validateSchema(schema)).toBe(true)
    for (const [docs, ...path] of [
      [KEY_DOCS, 'properties'],
      [DATASET_KEY_DOCS, '$defs', 'dataset', 'properties'],
    ] as const) {
      for (const [key, text] of Object.entries(docs)) {
        const description = part(schema, ...path, key, 'description')
        expect([key, description]).toEqual([key, text.replace(/\[([^[\]]+)\]\([^()]+\)/g, '$1')])
      }
    }
  })

  test('has ranges, values and defaults', () => {
    const property = (name: string): unknown => part(schema, 'properties', name)
    expect(property('lora_dropout')).toMatchObject({ default: 0 })
    expect(part(property('lora_dropout'), 'anyOf', '0')).toEqual({
      type: 'number',
      minimum: 0,
      exclusiveMaximum: 1,
    })
    expect(part(property('threads'), 'anyOf', '0')).toEqual({ type: 'integer', minimum: 1, maximum: 256 })
    expect(part(property('memory'), 'anyOf', '0', 'enum')).toEqual(['auto', 'lean', 'fast'])
    expect(part(property('optimizer'), 'anyOf', '0', 'enum')).toContain('adamw_8bit')
    expect(property('optimizer')).toMatchObject({ default: 'adamw_torch_fused' })
    expect(part(schema, 'allOf', '0', 'anyOf', '0', 'required')).toEqual(['learning_rate'])
    expect(part(schema, '$defs', 'dataset', 'required')).toEqual(['path'])
    const defaults = Object.entries(Object(part(schema, 'properties'))).flatMap(([key, value]) => {
      const fallback = part(value, 'default')
      return fallback === undefined ? [] : [[key, fallback]]
    })
    expect(defaults.length).toBeGreaterThan(30)
    expect(fits({ ...LEAST, ...Object.fromEntries(defaults) })).toBe(true)
  })

  const files = [
    ...['quickstart/quickstart.yaml', 'scripts/recipes/tiny-llama/recipe.yaml'].map((file) => ({
      file,
      text: readFileSync(join(ROOT, file), 'utf8'),
    })),
    ...['README.md', 'docs/plugins.md'].flatMap((file) => yamlBlocks(file).map((text) => ({ file, text }))),
  ]

  test.each(files)('accepts a file of $file', ({ text }) => {
    const written: unknown = parse(text)
    expect(fits({ ...LEAST, ...Object(written) }) || fits.errors).toBe(true)
  })

  test('asks a file that extends another for nothing', () => {
    expect([fits({ extends: './base.yaml' }), fits({ extends: ['a', 'b.yaml'] })]).toEqual([true, true])
    expect([fits({ extends: 3 }), fits({ seed: 1 })]).toEqual([false, false])
  })

  test('there are some', () => {
    expect(files.length).toBeGreaterThan(4)
  })

  test('accepts what axolotl knows and nothing here needs, and its old spellings', () => {
    const ignored = Object.fromEntries(Object.keys(IGNORED_KEYS).map((key) => [key, 'some']))
    const inDataset = Object.fromEntries(Object.keys(IGNORED_DATASET_KEYS).map((key) => [key, true]))
    const input = { ...LEAST, ...ignored, datasets: [{ path: 'x', ...inDataset }] }
    expect([fits(input), isValid(input)]).toEqual([true, true])
    for (const [old, name] of Object.entries(RENAMED_KEYS)) {
      const isRefused = Object.hasOwn(UNSUPPORTED_KEYS, name)
      const values: Readonly<Record<string, unknown>> = {
        eval_strategy: 'no',
        neftune_noise_alpha: 5,
        dataset_processes: 2,
        rl_beta: 0.2,
        overrides_of_model_config: { rope_theta: 5 },
      }
      const value = values[name] ?? 'some'
      const named = { ...LEAST, ...(name === 'rl_beta' ? { rl: 'dpo' } : {}), [old]: value }
      expect([old, fits(named), isValid(named)]).toEqual([old, !isRefused, !isRefused])
    }
  })

  test('refuses what would change the result, unless it is empty', () => {
    for (const [key, { harmless = [], onlyWith }] of Object.entries(UNSUPPORTED_KEYS)) {
      // What goes with which other key a schema does not say.
      if (onlyWith !== undefined) continue
      for (const value of [true, 'some', { a: 1 }, null, false, [], ...harmless]) {
        const input = { ...LEAST, [key]: value }
        expect([key, value, fits(input)]).toEqual([key, value, isValid(input) || isSameText(key, value)])
      }
    }
    for (const key of Object.keys(UNSUPPORTED_DATASET_KEYS)) {
      const input = { ...LEAST, datasets: [{ path: 'x', [key]: 'some' }] }
      expect([key, fits(input), isValid(input)]).toEqual([key, false, false])
    }
  })
})

/** May repeat what another key says, which a schema cannot compare. */
function isSameText(key: string, value: unknown): boolean {
  return UNSUPPORTED_KEYS[key].sameAs !== undefined && typeof value === 'string'
}

/** Values of a key that are right, and that are wrong; the schema and the check of the file say the same of each. */
const VALUES: Readonly<Record<string, readonly [right: readonly unknown[], wrong: readonly unknown[]]>> = {
  base_model: [['org/name'], ['', '  ', null, 7, ['x']]],
  learning_rate: [
    [2e-4, '2e-4', 1],
    [0, -1, 'fast', null, true, []],
  ],
  datasets: [[[{ path: 'x' }]], [[], null, {}, 'x', [{}], [{ path: '' }], [{ path: 'x', pth: 1 }], ['x']]],
  lora_r: [
    [1, 8, '16', null],
    [0, -4, 1.5, 'eight', '1.5', '-3', true, []],
  ],
  lora_alpha: [
    [0.5, '16', null],
    [0, -1, 'x', {}],
  ],
  lora_dropout: [
    [0, 0.5, '0.1'],
    [1, -0.1, 'none', '-0.1'],
  ],
  adapter: [
    ['lora', 'none', null],
    ['', 7, {}],
  ],
  lora_target_modules: [
    ['q_proj', ['q_proj', 'v_proj'], 'all-linear'],
    ['', [], 7, [7], {}],
  ],
  lora_target_linear: [
    [true, false, 'yes', 'Off', 1, 0, null],
    ['maybe', 2, [], {}],
  ],
  lora_rank_pattern: [
    [{ q_proj: 4 }, {}, null],
    [{ q_proj: 0 }, ['x'], 'x', { q_proj: null }],
  ],
  lora_modules_to_save: [
    [[], null, ['embed_tokens', 'lm_head']],
    ['x', [7], { lm_head: true }],
  ],
  peft_trainable_token_indices: [
    [[], [0, 7], { embed_tokens: [1], lm_head: [1, 2] }, null],
    ['x', [-1], [0.5], { embed_tokens: 1 }],
  ],
  peft_ensure_weight_tying: [
    [true, false, null],
    ['x', 2],
  ],
  tokens: [
    [[], ['<a>'], null],
    ['<a>', [7]],
  ],
  added_tokens_overrides: [
    [{}, { 7: '<a>' }, null],
    [['<a>'], { 7: 8 }],
  ],
  resize_token_embeddings_to_32x: [[true, null], ['x']],
  mean_resizing_embeddings: [[false, null], ['x']],
  peft_init_lora_weights: [
    [true, false, 'gaussian'],
    ['corda', 'gausian', 'pissa_niter_0', 2],
  ],
  peft_layers_to_transform: [
    [3, [0, 1], null],
    [-1, [1.5], 'x', {}],
  ],
  sequence_len: [
    [512, 2048],
    [0, 'long', 1.5],
  ],
  excess_length_strategy: [
    ['drop', 'truncate', 'raise', null],
    ['cut', true, 1],
  ],
  max_steps: [
    [100, 0, -1, null],
    [-2, 1.5, 'x'],
  ],
  num_epochs: [
    [1, 0.5, '3'],
    [0, -1],
  ],
  optimizer: [
    ['adamw', 'adamw_8bit', 'sophia', null],
    ['dion', '', 7],
  ],
  objective: [
    ['cross_entropy', { name: 'dft', alpha: 1 }, null],
    ['', {}, { name: '' }, [], 7],
  ],
  transforms: [
    ['clip', ['clip', { name: 'noise' }], null],
    [[7], [''], { options: 1 }],
  ],
  strategy: [
    [['a', 'b'], { name: 'skip', threshold: 0.1 }],
    [[{}], 7],
  ],
  monitors: [
    [[], ['mine']],
    [7, ['']],
  ],
  lr_groups: [
    [[], [{ name: 'a', modules: ['x'], lr: '1e-5' }], null],
    [[{ name: 'a', modules: [], lr: 1e-5 }], [{ name: 'a', modules: ['x'] }], {}],
  ],
  lr_scheduler: [
    ['cosine', 'wsd', 'polynomial', null],
    ['greedy', 'cosin', 1],
  ],
  lr_scheduler_kwargs: [
    [null, {}],
    [{ num_cyles: 2 }, 'x', ['x']],
  ],
  warmup_ratio: [
    [0, 0.1, 1],
    [1.1, -0.1, 'x'],
  ],
  bf16: [
    ['auto', 'full', true, 'no', null],
    ['half', 3, []],
  ],
  gradient_checkpointing: [
    [true, 'offload', 'unsloth', 'on', null],
    ['cpu', 3],
  ],
  activation_offloading: [
    // The others go together with gradient_checkpointing.
    [false, 'off', null],
    ['gpu', 3],
  ],
  activation_offloading_dir: [[null], [3, []]],
  seed: [
    [0, 7],
    [-1, 1.5],
  ],
  val_set_size: [
    [0, 0.05, 100, '0.1'],
    [-1, 1.5, 'x'],
  ],
  eval_steps: [
    [0, null],
    [-1, 1.5, []],
  ],
  save_steps: [
    [50, 0.25, 0],
    [-1, 1.5],
  ],
  save_strategy: [
    ['no', 'epoch', null],
    ['best', 'never'],
  ],
  save_total_limit: [
    [1, '4'],
    [0, -1],
  ],
  chat_template: [
    ['chatml', 'tokenizer_default', 'llama3', 'tokenizer_default_fallback_qwen3', null],
    ['command_a', 'chatlm', {}],
  ],
  eot_tokens: [
    [['</s>'], [], null],
    ['</s>', [''], [7]],
  ],
  special_tokens: [
    [{ pad_token: '<pad>', eos_token: null, additional_special_tokens: ['<a>'] }, {}, null],
    [{ pad: 'x' }, 'x', { pad_token: 7 }, { additional_special_tokens: '<a>' }],
  ],
  device: [
    ['auto', 'cpu', 'cuda:1'],
    ['', 7],
  ],
  threads: [
    [1, 256, null],
    [0, 257],
  ],
  memory: [
    ['lean', null],
    ['less', 7],
  ],
  plugins: [
    [[], ['./mine.ts'], ['axolotl.integrations.liger.LigerPlugin']],
    ['x', [''], ['axolotl.other']],
  ],
  output_dir: [
    ['./out', null],
    ['', 7],
  ],
  optim_args: [
    [{}, null],
    ['x', 7],
  ],
  lerning_rate: [[], [1e-4, 'x']],
}

const ENTRY: Readonly<Record<string, readonly [right: readonly unknown[], wrong: readonly unknown[]]>> = {
  path: [['x'], ['', null, 7]],
  type: [
    ['alpaca', 'gpteacher', 'my-type', null, { format: '{instruction}' }, {}],
    ['', 'creative_acr.load_revise', 7, { formt: 'x' }, { format: 7 }, ['x']],
  ],
  split: [
    ['train', 'train[:100]', 'test[10%:]', null],
    ['', 'train[', 'a b'],
  ],
  data_files: [
    ['a.jsonl', ['a.jsonl'], [], null],
    [7, [7], {}],
  ],
  ds_type: [
    ['json', 'text', 'parquet', null],
    ['orc', 'jsn'],
  ],
  sample_by: [
    ['line', 'document'],
    ['page', 7],
  ],
  roles: [
    [{ user: ['human'] }, null],
    [{ user: 'human' }, ['x'], 'x'],
  ],
  roles_to_train: [
    [['assistant'], null],
    ['assistant', [''], [7]],
  ],
  train_on_eos: [
    ['turn', 'none', null],
    ['never', true],
  ],
  message_property_mappings: [
    [{ role: 'from' }, {}],
    [{ role: 7 }, [7]],
  ],
  message_field_role: [['from'], []],
  drop_system_message: [
    [true, 'yes', 0],
    ['x', 2],
  ],
  field: [
    ['text', null],
    ['', 7],
  ],
  fild: [[], ['text']],
}

describe('the JSON Schema says the same as the check of a file', () => {
  const cases = [
    ...Object.entries(VALUES).map(([key, values]) => ({
      key,
      values,
      put: (value: unknown) => ({ [key]: value }),
    })),
    ...Object.entries(ENTRY).map(([key, values]) => ({
      key: `datasets.${key}`,
      values,
      put: (value: unknown) => ({ datasets: [{ path: 'x', [key]: value }] }),
    })),
  ]

  test.each(cases)('of $key', ({ values: [right, wrong], put }) => {
    for (const value of right) {
      const input = { ...LEAST, ...put(value) }
      expect([value, isValid(input), fits(input)]).toEqual([value, true, true])
    }
    for (const value of wrong) {
      const input = { ...LEAST, ...put(value) }
      expect([value, isValid(input), fits(input)]).toEqual([value, false, false])
    }
  })

  test('of a file without the keys that there must be', () => {
    for (const key of Object.keys(LEAST)) {
      const input = Object.fromEntries(Object.entries(LEAST).filter(([name]) => name !== key))
      expect([key, isValid(input), fits(input)]).toEqual([key, false, false])
    }
    expect([fits({}), fits([]), fits(null), fits('x')]).toEqual([false, false, false, false])
  })

  test('but does not know what goes together', () => {
    const input = { ...LEAST, eval_steps: 4 }
    expect([isValid(input), fits(input)]).toEqual([false, true])
  })
})
