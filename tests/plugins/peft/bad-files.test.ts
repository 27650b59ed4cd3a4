/**
 * Files of every method, PEFT's and mlx-lm's, that are damaged or for another model: each is one error that names what is wrong, and the
 * model computes what it did before.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { type TensorSource, writeSafetensors } from '../../../core/files/safetensors-write.ts'
import { tensorDType } from '../../../core/files/safetensors.ts'
import { adapterNames, type Model, TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { GOLDEN, goldenJson, logitsOf, sameBytes, temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const cpu = openCpu()
const LLAMA = join(GOLDEN, 'peft-train/base')
const GPT2 = join(GOLDEN, 'models/gpt2')
const SEQUENCE = { ids: Int32Array.of(3, 5, 7, 11), rows: 1, length: 4 }

interface Stored {
  readonly name: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
  readonly dtype: TensorSource['dtype']
}

/** What is changed: the configuration as text, and each tensor. */
interface Damage {
  readonly config?: (config: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>> | string
  readonly tensors?: (tensors: readonly Stored[]) => readonly Stored[]
  /** The model that it is loaded on. */
  readonly on?: (base: string, folder: string) => string
}

interface Case {
  readonly name: string
  readonly folder: string
  readonly base: string
  readonly config: Readonly<Record<string, unknown>>
  readonly weights: string
}

const METHODS = join(GOLDEN, 'peft-methods')
const CASES: readonly Case[] = [
  ...readdirSync(METHODS).map((name) => {
    const { base } = goldenJson<{ base: string }>('peft-methods', name, 'expected.json')
    return {
      name,
      folder: join(METHODS, name),
      base: join(METHODS, name, base),
      weights: 'adapter_model.safetensors',
    }
  }),
  ...['lora', 'dora', 'gpt2'].map((name) => ({
    name: `mlx-lm ${name}`,
    folder: join(GOLDEN, 'mlx-adapters', name),
    base: name === 'gpt2' ? GPT2 : LLAMA,
    weights: 'adapters.safetensors',
  })),
].map((one) => ({
  ...one,
  config: JSON.parse(readFileSync(join(one.folder, 'adapter_config.json'), 'utf8')),
}))

function errorOf({ folder: from, base, config, weights }: Case, damage: Damage): TrituneError {
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'adapter')
  cpSync(from, folder, { recursive: true })
  if (damage.config) {
    const changed = damage.config(config)
    writeFileSync(
      join(folder, 'adapter_config.json'),
      typeof changed === 'string' ? changed : JSON.stringify(changed),
    )
  }
  if (damage.tensors) {
    const checkpoint = openCheckpoint(join(from, weights))
    const stored = [...checkpoint.entries.values()].map((entry): Stored => ({
      name: entry.name,
      shape: entry.shape,
      dtype: tensorDType(entry),
      bytes: Uint8Array.from(checkpoint.read(entry)),
    }))
    writeSafetensors(
      join(folder, weights),
      damage.tensors(stored).map(({ bytes, ...rest }) => ({ ...rest, chunks: () => [bytes] })),
    )
  }
  using model = loadModel(damage.on?.(base, temporary.path) ?? base, { device: cpu })
  const before = logitsOf(model, SEQUENCE)
  try {
    loadAdapter(model, folder)[Symbol.dispose]()
  } catch (error) {
    expectUntouched(model, before)
    if (!(error instanceof TrituneError)) throw error
    expect(error.message).toContain(folder)
    expect(error.message.length).toBeLessThan(1200)
    return error
  }
  throw new Error(`the adapter was loaded: ${from}`)
}

function expectUntouched(model: Model, before: Float32Array): void {
  expect(adapterNames(model)).toEqual([])
  expect(sameBytes(logitsOf(model, SEQUENCE), before)).toBe(true)
}

/** The last one of a layer: what is shared may be left out. */
function ofLayer(tensors: readonly Stored[]): Stored {
  const found = tensors.findLast(({ name }) => /\.\d+\./.test(name)) ?? tensors.at(-1)
  if (!found) throw new Error('no tensors')
  return found
}

function wider({ shape, bytes, ...rest }: Stored): Stored {
  const [first, ...others] = shape
  const row = bytes.length / first
  const longer = new Uint8Array(bytes.length + row)
  longer.set(bytes)
  return { ...rest, shape: [first + 1, ...others], bytes: longer }
}

function poisoned(one: Stored): Stored {
  const bytes = Uint8Array.from(one.bytes)
  new DataView(bytes.buffer).setFloat32(0, Number.NaN, true)
  return { ...one, bytes }
}

const CODES: readonly TrituneError['code'][] = [
  'E_ADAPTER',
  'E_UNSUPPORTED',
  'E_FORMAT',
  'E_CONFIG',
  'E_SHAPE',
]

describe.each(CASES.map((one) => [one.name, one] as const))('%s', (_, one) => {
  // Tokens before the text fit every model of the size.
  test.skipIf('num_virtual_tokens' in one.config)('of another model: names', () => {
    const error = errorOf(one, { on: (base) => (base === GPT2 ? LLAMA : GPT2) })
    expect(error.code).toBe('E_ADAPTER')
    expect(error.message).toMatch(/which the model lacks|there is no tensor/)
  })

  // One turn of a block that all share fits layers of any size.
  test.skipIf(one.name === 'oft-share')('of another model: sizes', () => {
    const error = errorOf(one, {
      on: (base, folder) => {
        if (base === GPT2) return LLAMA
        const path = join(folder, 'other')
        writeTinyModel(path, {
          hidden_size: 24,
          intermediate_size: 36,
          num_hidden_layers: 3,

          vocab_size: 97,
        })
        return path
      },
    })
    expect(CODES).toContain(error.code)
  })

  test('a tensor is missing, too many, of another shape, not a number', () => {
    let name = ''
    const missing = errorOf(one, {
      tensors: (all) => {
        ;({ name } = ofLayer(all))
        return all.filter((other) => other.name !== name)
      },
    })
    expect(CODES).toContain(missing.code)
    const extra = errorOf(one, {
      tensors: (all) => [...all, { ...ofLayer(all), name: `${ofLayer(all).name}.bogus` }],
    })
    expect(CODES).toContain(extra.code)
    expect(extra.message).toContain('bogus')
    const shape = errorOf(one, {
      tensors: (all) => all.map((other) => (other.name === name ? wider(other) : other)),
    })
    expect(CODES).toContain(shape.code)
    const nan = errorOf(one, {
      tensors: (all) => all.map((other) => (other.name === name ? poisoned(other) : other)),
    })
    expect(nan.message).toContain('NaN or Inf')
    expect(nan.message).toContain(name)
  })

  test('a configuration of what is not known', () => {
    const unknown = errorOf(one, {
      config: ({ peft_type: type, ...rest }) =>
        type === undefined ? { ...rest, fine_tune_type: 'NOPE' } : { ...rest, peft_type: 'NOPE' },
    })
    expect(unknown.code).toBe('E_UNSUPPORTED')
    expect(unknown.message).toContain('"NOPE"')
    expect(unknown.remedy).toContain('supported')
    const odd = errorOf(one, { config: () => '{"peft_type": "LORA", "lora_alpha": NaN}' })
    expect(odd.code).toBe('E_FORMAT')
    expect(odd.message).toContain('lora_alpha is NaN, which is no number of JSON')
    for (const peft_type of [null, 7, '__proto__', 'toString'])
      expect(errorOf({ ...one, weights: one.weights }, { config: () => ({ peft_type }) }).code).toBe(
        'E_UNSUPPORTED',
      )
  })
})

/** AdaLoRA starts with init_r. */
function isUnused(config: Case['config'], field: string): boolean {
  return config['peft_type'] === 'ADALORA' && field === 'r'
}

/** Fields with a number that cannot be, for those cases that have such a field. */
const FIELDS: readonly (readonly [field: string, values: readonly string[]])[] = [
  ['r', ['-1', '1.5', '1e999', '[4]']],
  ['lora_alpha', ['"x"', '1e999', '-1e999', '{}', 'true']],
  ['alpha', ['"x"', '1e999', '{}', 'true']],
]

test.each(FIELDS)('%s that is no such number is refused by every method that has it', (field, values) => {
  const having = CASES.filter(({ config }) => config[field] !== undefined && !isUnused(config, field))
  expect(having.length).toBeGreaterThan(2)
  for (const one of having)
    for (const value of values) {
      const error = errorOf(one, {
        config: (config) => JSON.stringify({ ...config, [field]: '@' }).replace('"@"', value),
      })
      expect(CODES, `${one.name}: ${value}`).toContain(error.code)
      expect(error.message, `${one.name}: ${value}`).toContain(field)
    }
})

test('a rank of 0 is refused by every method whose rank is r', () => {
  for (const one of CASES.filter(({ config }) => Number(config['r'] ?? 0) > 0 && !isUnused(config, 'r'))) {
    const error = errorOf(one, { config: (config) => ({ ...config, r: 0 }) })
    expect(CODES, one.name).toContain(error.code)
  }
})

test('a LoRA of another rank than its configuration, and values of no meaning, are faults of that file', () => {
  const [lora] = CASES.filter(({ name }) => name === 'lora')
  for (const config of [{ r: 7 }, { rank_pattern: { '.*': 7 } }]) {
    const error = errorOf(lora, { config: (fields) => ({ ...fields, ...config }) })
    expect(error.code).toBe('E_ADAPTER')
    expect(error.message).toContain('has shape')
    expect(error.remedy).toContain('are not of one adapter')
  }
  for (const [key, value] of [
    ['use_rslora', 'yes'],
    ['lora_alpha', null],
    ['r', null],
  ] as const) {
    const error = errorOf(lora, { config: (fields) => ({ ...fields, [key]: value }) })
    expect(error.code).toBe('E_ADAPTER')
    expect(error.message).toContain(`${key}: expected`)
  }
})
