/**
 * `tritune adapter`: what it lists, tells, combines and converts; and that a wrong call leaves nothing.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referenceDevice } from '../../core/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { inspectAdapter, listAdapters, loadAdapter } from '../../plugins/peft/mod.ts'
import { GOLDEN, goldenJson, logitsOf, readFloats, relativeError, temporaryFolder } from '../_golden.ts'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { writeDamaged } from '../_tiny.ts'
import { tritune } from './_command.ts'

const SEVERAL = join(GOLDEN, 'peft-several')
const BASE = join(GOLDEN, 'peft-train/base')
const [A, B] = ['a', 'b'].map((name) => join(SEVERAL, name))

function adapter(...args: readonly string[]): ReturnType<typeof tritune> {
  return tritune(['adapter', ...args])
}

describe('list', () => {
  test('tells each below the folder, and which cannot be read', () => {
    using temporary = temporaryFolder()
    const at = (...parts: readonly string[]): string => join(temporary.path, ...parts)
    cpSync(A, at('runs/first'), { recursive: true })
    cpSync(join(GOLDEN, 'mlx-adapters/dora'), at('runs/mlx'), { recursive: true })
    cpSync(A, at('.hidden/one'), { recursive: true })
    mkdirSync(at('runs/torn'))
    writeFileSync(at('runs/torn/adapter_config.json'), '{')
    const { code, stdout } = adapter('list', temporary.path)
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/runs[/\\]first\s+LORA of rank 4\s+1344 numbers\s+\.\.\/peft-train\/base/)
    expect(lines[1]).toContain('DoRA of rank 4 (mlx-lm)')
    expect(lines[2]).toMatch(/torn\s+broken\s+.*not valid JSON/)
    const told: { adapters: { folder: string; error: { code: string } | null; modules?: number }[] } =
      JSON.parse(adapter('list', temporary.path, '--json').stdout)
    expect(told.adapters.map(({ error, modules }) => [error?.code ?? null, modules])).toEqual([
      [null, 6],
      [null, 6],
      ['E_FORMAT', undefined],
    ])
  })

  test('of an empty folder says so; of none is an error', () => {
    using temporary = temporaryFolder()
    expect(adapter('list', temporary.path)).toMatchObject({
      code: 0,
      stdout: `no adapters below ${temporary.path}\n`,
    })
    expect(adapter('list', join(temporary.path, 'none'))).toMatchObject({ code: 1, stdout: '' })
    expect(listAdapters(SEVERAL).map(({ adapter: found }) => found?.rank)).toEqual([4, 4, 3])
  })
})

describe('inspect', () => {
  test('tells method, rank, targets, size, and by how much each weight changes', () => {
    const { code, stdout } = adapter('inspect', A)
    expect(code).toBe(0)
    expect(stdout).toContain('LORA of rank 4, alpha 8')
    expect(stdout).toContain('1344 numbers in 6 modules, 5.3 KiB of F32')
    expect(stdout).toContain('every number is finite')
    const { modules } = inspectAdapter(A)
    const files = openCheckpoint(join(A, 'adapter_model.safetensors'))
    const [first] = modules
    const [a, b] = ['lora_A', 'lora_B'].map((part) =>
      readFloats(files, `base_model.model.${first.path}.${part}.weight`),
    )
    let total = 0
    for (let o = 0; o < b.length / 4; o++)
      for (let i = 0; i < 32; i++) {
        let sum = 0
        for (let k = 0; k < 4; k++) sum += b[o * 4 + k] * a[k * 32 + i]
        total += (2 * sum) ** 2
      }
    expect(Math.abs((first.change ?? 0) / Math.sqrt(total) - 1)).toBeLessThanOrEqual(1e-6)
    const norm = Math.sqrt([...a, ...b].reduce((sum, value) => sum + value * value, 0))
    expect(Math.abs(first.norm / norm - 1)).toBeLessThanOrEqual(1e-6)
  })

  test('finds NaN, and says where by its exit code too', () => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    const name = 'base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight'
    writeDamaged(join(GOLDEN, 'peft-train/adapter-b-nonzero'), folder, {
      tensor: (t) =>
        t.name.endsWith('layers.1.mlp.up_proj.lora_B.weight')
          ? { ...t, values: t.values.with(2, Number.NaN) }
          : t,
    })
    const { code, stdout } = adapter('inspect', folder)
    expect(code).toBe(1)
    expect(stdout).toContain('NaN or Inf in base_model.model.model.layers.1.mlp.up_proj.lora_B.weight')
    expect(stdout).not.toContain(name)
    const told: { isBroken: boolean; modules: { path: string; broken: string[] }[] } = JSON.parse(
      adapter('inspect', folder, '--json').stdout,
    )
    expect(told.isBroken).toBe(true)
    expect(told.modules.filter(({ broken }) => broken.length > 0).map(({ path }) => path)).toEqual([
      'model.layers.1.mlp.up_proj',
    ])
  })

  test('other methods by their tensors', () => {
    using temporary = temporaryFolder()
    const folder = join(temporary.path, 'adapter')
    writeDamaged(join(GOLDEN, 'peft-train/adapter-b-nonzero'), folder, {
      config: { peft_type: 'SOMETHING', r: null },
      tensor: (t) => ({
        ...t,
        name: t.name.replace('lora_A.weight', 'hada_w1_a').replace('lora_B.weight', 'hada_w1_b'),
      }),
    })
    const { method, modules, rank } = inspectAdapter(folder)
    expect([method, rank, modules[0].change]).toEqual(['SOMETHING', null, null])
    expect(Object.keys(modules[0].tensors)).toEqual(['hada_w1_a', 'hada_w1_b'])
  })
})

describe('merge', () => {
  test('gives what PEFT gives, on the base that is named', () => {
    using temporary = temporaryFolder()
    const output = join(temporary.path, 'merged')
    const { code, stdout, stderr } = adapter(
      'merge',
      output,
      `${A}=0.7`,
      `${B}=0.4`,
      '--method',
      'ties',
      '--density',
      '0.5',
      '--base',
      BASE,
    )
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('2 adapters merged by ties: rank 4 on 9 layers')
    const golden = openCheckpoint(join(SEVERAL, 'expected.safetensors'))
    const entry = golden.entries.get('input_ids')
    if (!entry) throw new Error('input_ids')
    const ids = new Int32Array(Uint8Array.from(golden.read(entry)).buffer).slice(0, 9)
    using model = loadModel(BASE, { device: referenceDevice })
    using _merged = loadAdapter(model, output)
    expect(
      relativeError(logitsOf(model, { ids, rows: 1, length: 9 }), readFloats(golden, 'ties.logits')),
    ).toBeLessThanOrEqual(1e-5)
    expect(goldenJson<{ base: string }>('peft-several', 'expected.json').base).toBe('../peft-train/base')
  })

  test('an adapter with new tokens: what the error tells to do works', () => {
    using temporary = temporaryFolder()
    const [model, output] = ['model', 'merged'].map((name) => join(temporary.path, name))
    const folded = tritune(['merge', BASE, join(GOLDEN, 'peft-beside/resized-tokens'), model])
    expect([folded.code, folded.stderr]).toEqual([0, ''])
    const { code, stderr } = adapter('merge', output, A, B, '--base', model)
    expect([code, stderr]).toEqual([0, ''])
    using base = loadModel(model, { device: referenceDevice })
    using merged = loadAdapter(base, output)
    expect([base.info.vocabSize, merged.adapters.size]).toEqual([104, 9])
  })

  test.each<[string, readonly string[], number, string]>([
    ['a weight that is no number', [`${A}=x`, B], 2, 'my-adapter=0.5'],
    ['an unknown method', [A, B, '--method', 'tis'], 2, 'did you mean "ties"'],
    ['no density', [A, B, '--method', 'ties'], 1, 'density: expected'],
    ['ranks that differ', [A, join(SEVERAL, 'c'), '--method', 'linear'], 1, '4 and 3'],
    ['a folder that is not there', [A, `${B}x`], 1, 'no adapter here'],
    ['an adapter for another model', [A, join(GOLDEN, 'mlx-adapters/gpt2')], 1, 'which the model lacks'],
    [
      'an adapter with rows of new tokens',
      [A, join(GOLDEN, 'peft-beside/resized-tokens')],
      1,
      'trainable_token_indices, which cannot be combined',
    ],
    [
      'an adapter whose embeddings had grown',
      [A, join(GOLDEN, 'peft-beside/resized-plain')],
      1,
      'has a table of its own for model.embed_tokens, which cannot be combined',
    ],
    [
      'an adapter with modules of its own',
      [A, join(GOLDEN, 'peft-beside/resized-modules'), '--method', 'svd'],
      1,
      'fold it into a model of its own (',
    ],
    ['no adapters', [], 2, 'an output folder and adapters'],
    ['an option of another action', [A, '--to', 'mlx'], 2, 'adapter convert'],
  ])('%s is refused and nothing is written', (_, args, code, said) => {
    using temporary = temporaryFolder()
    const result = adapter('merge', join(temporary.path, 'merged'), ...args, '--base', BASE)
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toContain(said)
    expect(readdirSync(temporary.path)).toEqual([])
  })
})

describe('convert', () => {
  test('to mlx-lm and back: the same logits', () => {
    using temporary = temporaryFolder()
    const [mlx, back] = ['mlx', 'back'].map((name) => join(temporary.path, name))
    expect(adapter('convert', A, mlx, '--to', 'mlx').code).toBe(0)
    expect(readdirSync(mlx).toSorted()).toEqual(['adapter_config.json', 'adapters.safetensors'])
    const { code, stdout } = adapter('convert', mlx, back, '--to', 'peft', '--json')
    expect([code, JSON.parse(stdout)]).toEqual([0, { output: back, from: 'mlx', to: 'peft', tensors: 12 }])
    const logits = [A, mlx, back].map((folder) => {
      using model = loadModel(BASE, { device: referenceDevice })
      using _adapter = loadAdapter(model, folder)
      return Float32Array.from(logitsOf(model, { ids: Int32Array.of(3, 5, 7), rows: 1, length: 3 }))
    })
    for (const own of logits) expect(relativeError(own, logits[0])).toBeLessThanOrEqual(1e-6)
    const keys = (folder: string): string[] =>
      Object.keys(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')))
    expect(keys(back)).toEqual(
      expect.arrayContaining(['lora_bias', 'rank_pattern', 'use_dora', 'use_rslora', 'target_modules']),
    )
  })

  test('to GGUF and back, on the base that is named', () => {
    using temporary = temporaryFolder()
    const [file, back] = ['lora.gguf', 'back'].map((name) => join(temporary.path, name))
    const { code, stdout, stderr } = adapter('convert', A, file, '--to', 'gguf', '--base', BASE)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('12 tensors of peft in the files of gguf')
    expect(adapter('convert', file, back, '--to', 'peft', '--base', BASE).code).toBe(0)
    const [first, second] = [A, back].map((folder) => {
      using model = loadModel(BASE, { device: referenceDevice })
      using _adapter = loadAdapter(model, folder)
      return Float32Array.from(logitsOf(model, { ids: Int32Array.of(3, 5, 7), rows: 1, length: 3 }))
    })
    expect(relativeError(second, first)).toBeLessThanOrEqual(1e-6)
  })

  test.each<[string, (at: string) => readonly string[], number, string]>([
    ['the same format', (at) => [A, join(at, 'out'), '--to', 'peft'], 1, 'files of peft already'],
    [
      'an unknown format',
      (at) => [A, join(at, 'out'), '--to', 'ggml'],
      2,
      '--to: expected peft, mlx or gguf',
    ],
    ['no format', (at) => [A, join(at, 'out')], 2, 'got none'],
    ['an output that is there', (at) => [A, at, '--to', 'mlx'], 1, 'exists already'],
    [
      'what mlx-lm has not',
      (at) => [join(GOLDEN, 'peft-families/prefix'), join(at, 'out'), '--to', 'mlx'],
      1,
      'mlx-lm has LoRA and DoRA',
    ],
  ])('%s is refused and nothing is written', (_, args, code, said) => {
    using temporary = temporaryFolder()
    const result = adapter('convert', ...args(temporary.path))
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toContain(said)
    expect(readdirSync(temporary.path)).toEqual([])
  })
})

test('other actions are refused; with --json the error is JSON', () => {
  expect(adapter('lsit')).toMatchObject({ code: 2, stdout: '' })
  expect(adapter('lsit').stderr).toContain('did you mean "list"')
  const { code, stdout } = adapter('inspect', 'nowhere', '--json')
  expect([code, JSON.parse(stdout)]).toMatchObject([1, { type: 'error', code: 'E_FILE' }])
  expect(existsSync('nowhere')).toBe(false)
})
