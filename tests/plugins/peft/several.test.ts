/**
 * Several adapters on one model, beside what PEFT computes with the same files: rows of a batch through adapters of their own, generation,
 * merging in memory, names.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  activateAdapters,
  adapterNames,
  denseWeight,
  type Device,
  hasMergedAdapters,
  headCrossEntropy,
  headLogits,
  mergeAdapters,
  type Model,
  noGrad,
  quantize4bit,
  quantizeInt8,
  referenceDevice,
  tensor,
  tensorScope,
  TrituneError,
  unmergeAdapters,
  withAdapters,
  withDocumentAdapters,
} from '../../../core/mod.ts'
import { promptTokens } from '../../../docs/examples/prompt-tokens.ts'
import { vectorScale } from '../../../docs/examples/vector-scale.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { saveModel } from '../../../plugins/finetune/mod.ts'
import { generate, generateBatch } from '../../../plugins/generate/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import {
  attachAdapter,
  attachedAdapter,
  attachedAdapters,
  attachLora,
  deleteAdapter,
  loadAdapter,
  renameAdapter,
  saveAdapter,
  trainAllWeights,
} from '../../../plugins/peft/mod.ts'
import { GOLDEN, readFloats, relativeError, sameBytes, temporaryFolder } from '../../_golden.ts'
import { openModel, openSeveral, rowLogits } from './_several.ts'

const cpu = openCpu()
const several = openSeveral()
const { expected: golden, info, ids, length: LENGTH, offsets, base: LLAMA } = several
const GPT2 = join(GOLDEN, 'models/gpt2')

function openAll(device: Device = cpu, dtype?: 'f32' | 'bf16'): ReturnType<typeof openModel> {
  return openModel(several, device, dtype)
}

function logitsOf(model: Model, documents: readonly number[] = [0, LENGTH]): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    const part = ids.subarray(0, documents.at(-1))
    return headLogits(
      model.head,
      model.hidden(createBatch({ ids: part, offsets: documents }, model.head.device)),
    ).toArray()
  })
}

const mixedLogits = (model: Model, rows: Parameters<typeof rowLogits>[2]): Float32Array =>
  rowLogits(several, model, rows)

function errorOf(fn: () => unknown): TrituneError {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

function disposedTogether(...all: readonly Disposable[]): DisposableStack {
  const stack = new DisposableStack()
  for (const one of all) stack.use(one)
  return stack
}

function packLayers(model: Model, stack: DisposableStack, pack: typeof quantize4bit): void {
  for (const layer of model.layers.values()) {
    if (layer.kind !== 'linear') continue
    using weight = denseWeight(layer)
    layer.weight = stack.use(pack(weight))
  }
}

describe('documents with adapters of their own', () => {
  test.each([['cpu', cpu] as const, ['reference', referenceDevice] as const])(
    'on %s: the logits of adapter_names',
    (_, device) => {
      using all = openAll(device)
      const plain = logitsOf(all.model, offsets)
      expect(
        relativeError(mixedLogits(all.model, info.rows), readFloats(golden, 'rows')),
      ).toBeLessThanOrEqual(1e-5)
      expect(sameBytes(logitsOf(all.model, offsets), plain)).toBe(true) // what was active is active again
    },
  )

  test('are as if each were alone, whatever the adapters are, with weights too', () => {
    using model = loadModel(GPT2, { device: cpu })
    using lora = attachLora(model, {
      targetModules: ['c_attn', 'lm_head', 'c_fc'],
      rank: 2,
      init: false,
      name: 'lora',
    })
    using scale = attachAdapter(
      model,
      vectorScale,
      { init: 1 },
      { targetModules: ['c_attn', 'c_proj'], name: 'scale' },
    )
    for (const vector of scale.parameters.values())
      vector.set(Float32Array.from({ length: vector.size }, (_, i) => 1 + (i % 5) / 8))
    expect(lora.name).toBe('lora')
    const rows = ['scale', { lora: 0.5, scale: -1 }, '__base__', 'lora', ['lora', 'scale']]
    const mixed = mixedLogits(model, rows)
    const vocabulary = mixed.length / ids.length
    for (const [i, row] of rows.entries()) {
      const active = row === '__base__' ? [] : typeof row === 'string' ? [row] : row
      const alone = withAdapters(model, active, () =>
        noGrad(() => {
          using _scope = tensorScope()
          const own = ids.subarray(offsets[i], offsets[i + 1])
          return headLogits(model.head, model.hidden(createBatch({ ids: own }, cpu))).toArray()
        }),
      )
      const here = mixed.subarray(offsets[i] * vocabulary, offsets[i + 1] * vocabulary)
      expect(relativeError(here, alone), String(row)).toBeLessThanOrEqual(1e-5)
    }
  })

  test('the loss over the head takes each row through its own', () => {
    using model = loadModel(GPT2, { device: cpu })
    using _a = attachLora(model, { targetModules: ['lm_head'], rank: 2, init: false, name: 'a' })
    using _b = attachLora(model, {
      targetModules: ['lm_head', 'c_fc'],
      rank: 2,
      init: false,
      seed: 1,
      name: 'b',
    })
    using _scope = tensorScope()
    const batch = createBatch({ ids, offsets }, cpu)
    const targets = tensor(ids, { dtype: 'i32', device: cpu })
    const rows = ['a', '__base__', 'b', 'b', 'a']
    const lossBy = (rowsAtOnce?: number): number =>
      withDocumentAdapters(model, batch, rows, () =>
        headCrossEntropy(model.head, model.hidden(batch), targets, { scale: 1, rowsAtOnce }).item(),
      )
    const logits = mixedLogits(model, rows)
    const vocabulary = logits.length / ids.length
    const wanted = ids.reduce((sum, id, row) => {
      const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary)
      return sum + Math.log(own.reduce((total, value) => total + Math.exp(value), 0)) - own[id]
    }, 0)
    for (const rowsAtOnce of [undefined, 7, 1])
      expect(Math.abs(lossBy(rowsAtOnce) / wanted - 1), String(rowsAtOnce)).toBeLessThanOrEqual(1e-5)
  })

  test('on packed weights: as each alone', () => {
    using all = openAll()
    packLayers(all.model, all, quantize4bit)
    const mixed = mixedLogits(all.model, info.rows)
    const vocabulary = mixed.length / ids.length
    const first = withAdapters(all.model, ['a'], () => logitsOf(all.model))
    expect(relativeError(mixed.subarray(0, LENGTH * vocabulary), first)).toBeLessThanOrEqual(1e-5)
  })

  test('what cannot be is refused, and what was active is active again', () => {
    using all = openAll()
    const { model } = all
    using prompt = attachAdapter(model, promptTokens, { tokens: 2 }, { name: 'prompt' })
    activateAdapters(model, ['b'])
    const plain = logitsOf(model)
    expect(errorOf(() => mixedLogits(model, ['a'])).code).toBe('E_SHAPE')
    expect(errorOf(() => mixedLogits(model, ['a', 'b', 'x', 'a', 'a'])).code).toBe('E_NAME')
    expect(errorOf(() => mixedLogits(model, ['a', 'b', { a: Number.NaN }, 'a', 'a'])).code).toBe('E_ADAPTER')
    expect(errorOf(() => mixedLogits(model, ['a', 'b', prompt.name, 'a', 'a'])).code).toBe('E_UNSUPPORTED')
    using _head = attachLora(model, { targetModules: ['lm_head'], rank: 2, init: false, name: 'head' })
    activateAdapters(model, ['b'])
    const batch = createBatch({ ids, offsets }, cpu)
    using _parts = disposedTogether(batch.ids, batch.positions, batch.offsets)
    const oneRow = (): unknown =>
      withDocumentAdapters(model, batch, ['head', 'a', 'a', 'a', 'a'], () => {
        using _scope = tensorScope()
        return headLogits(model.head, model.hidden(batch).rowsView(0, 1))
      })
    expect(errorOf(oneRow).message).toContain(`1 rows of ${ids.length}`)
    expect(sameBytes(logitsOf(model), plain)).toBe(true)
  })
})

describe('generation', () => {
  test('of each prompt through its own adapter gives the ids of generate(adapter_names)', () => {
    using all = openAll()
    const prompts = info.rows.map((_, row) => [...ids.subarray(offsets[row], offsets[row + 1])])
    const made: number[][] = prompts.map(() => [])
    for (const { row, id } of generateBatch(all.model, prompts, { adapters: info.rows, maxNewTokens: 6 }))
      made[row].push(id)
    expect(made).toEqual(info.greedy.map((row) => [...row]))
    expect(new Set(made.slice(0, 3).map(String)).size).toBe(3)
  })

  test('of texts that take turns: each keeps its adapters, and the model its own', () => {
    using all = openAll()
    const { model } = all
    activateAdapters(model, ['b'])
    const prompt = [...ids.subarray(0, LENGTH)]
    const alone = (['a', 'c'] as const).map((name) => [
      ...generate(model, prompt, { adapters: [name], maxNewTokens: 5 }),
    ])
    const [a, c] = (['a', 'c'] as const).map((name) =>
      generate(model, prompt, { adapters: [name], maxNewTokens: 5 }),
    )
    const turns: number[][] = [[], []]
    for (let i = 0; i < 5; i++)
      for (const [k, texts] of [a, c].entries()) turns[k].push(Number(texts.next().value))
    for (const texts of [a, c]) texts.return(undefined)
    expect(turns).toEqual(alone)
    expect([...generate(model, prompt, { maxNewTokens: 5 })]).toEqual([
      ...generate(model, prompt, { adapters: ['b'], maxNewTokens: 5 }),
    ])
  })

  test('with what stands before the text: its room and its cache are its own', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using prompt = attachAdapter(model, promptTokens, { tokens: 3 }, { name: 'prompt' })
    const ids0 = [...ids.subarray(0, LENGTH)]
    const on = [...generate(model, ids0, { maxNewTokens: 4 })]
    activateAdapters(model, [])
    expect([...generate(model, ids0, { maxNewTokens: 4, adapters: [prompt.name] })]).toEqual(on)
  })

  test('of more adapters than prompts, or of unknown ones, is refused; leaving early frees the caches', () => {
    using all = openAll()
    const prompts = [
      [1, 2],
      [3, 4],
    ]
    expect(errorOf(() => [...generateBatch(all.model, prompts, { adapters: ['a'] })]).code).toBe('E_SHAPE')
    expect(errorOf(() => [...generateBatch(all.model, prompts, { adapters: ['a', 'x'] })]).code).toBe(
      'E_NAME',
    )
    for (const { id } of generateBatch(all.model, prompts, { adapters: ['a', '__base__'] })) {
      expect(id).toBeGreaterThanOrEqual(0)
      break
    }
  })
})

describe('merging in memory', () => {
  test('two adapters: the logits of merge_adapter(), and unmerged the same bits', () => {
    using all = openAll()
    const { model } = all
    activateAdapters(model, ['a', 'c'])
    const apart = logitsOf(model)
    expect(relativeError(apart, readFloats(golden, 'pair'))).toBeLessThanOrEqual(1e-5)
    const weights = [...model.layers.values()].map((layer) => ({ layer, weight: layer.weight }))
    {
      using merged = mergeAdapters(model, { prompt: [...ids.subarray(0, LENGTH)] })
      expect(merged.names).toEqual(['a', 'c'])
      expect(merged.layers).toHaveLength(6)
      expect(merged.unpacked).toEqual([])
      expect(merged.maxLogitDifference).toBeGreaterThan(0)
      expect(merged.maxLogitDifference).toBeLessThanOrEqual(1e-4)
      expect(hasMergedAdapters(model)).toBe(true)
      expect(relativeError(logitsOf(model), readFloats(golden, 'pair_merged'))).toBeLessThanOrEqual(1e-5)
      for (const wrong of [
        () => activateAdapters(model, ['a']),
        () => withAdapters(model, [], () => 0),
        () => mergeAdapters(model),
        () => trainAllWeights(model),
      ])
        expect(errorOf(wrong).remedy).toContain('unmergeAdapters')
    }
    expect(hasMergedAdapters(model)).toBe(false)
    expect(weights.every(({ layer, weight }) => layer.weight === weight)).toBe(true)
    expect(sameBytes(logitsOf(model), apart)).toBe(true)
    expect(errorOf(() => unmergeAdapters(model)).code).toBe('E_ADAPTER')
  })

  test('by weight and by name, again and again', () => {
    using all = openAll()
    const { model } = all
    activateAdapters(model, { a: 0.5, b: -1 })
    const apart = logitsOf(model)
    for (let i = 0; i < 3; i++) {
      mergeAdapters(model, { safe: false })
      expect(relativeError(logitsOf(model), apart)).toBeLessThanOrEqual(1e-5)
      unmergeAdapters(model)
    }
    expect(sameBytes(logitsOf(model), apart)).toBe(true)
  })

  test('an adapter that is put on a merged model works on what was merged', () => {
    using all = openAll()
    const { model } = all
    activateAdapters(model, ['a'])
    using merged = mergeAdapters(model)
    expect(merged.names).toEqual(['a'])
    const before = logitsOf(model)
    using _next = attachLora(model, { targetModules: ['v_proj'], rank: 2, init: false, name: 'next' })
    expect(relativeError(logitsOf(model), before)).toBeGreaterThan(1e-3)
  })

  test('NaN is found before any weight is changed; without looking it is there', () => {
    using all = openAll()
    const { model } = all
    activateAdapters(model, ['a', 'b'])
    const apart = logitsOf(model)
    const broken = attachedAdapter(model, 'b').parameters.get('model.layers.2.mlp.down_proj.lora_B.weight')
    if (!broken) throw new Error('lora_B')
    const kept = broken.toArray()
    broken.set(kept.with(3, Number.NaN))
    const error = errorOf(() => mergeAdapters(model))
    expect(error.code).toBe('E_NAN')
    expect(error.message).toContain('model.layers.2.mlp.down_proj.weight')
    expect(hasMergedAdapters(model)).toBe(false)
    {
      using _merged = mergeAdapters(model, { safe: false })
      expect(logitsOf(model).some(Number.isNaN)).toBe(true)
    }
    broken.set(kept)
    expect(sameBytes(logitsOf(model), apart)).toBe(true)
  })

  test.each([
    ['bf16', (): void => {}, 0.05],
    ['nf4', (model: Model, stack: DisposableStack) => packLayers(model, stack, quantize4bit), 1e-4],
    [
      'int8',
      (model: Model, stack: DisposableStack) => packLayers(model, stack, (weight) => quantizeInt8(weight)),
      1,
    ],
  ] as const)('into %s: says how far the logits move, and unmerges to the bit', (kind, pack, most) => {
    using all = openAll(cpu, kind === 'bf16' ? 'bf16' : 'f32')
    const { model } = all
    pack(model, all)
    activateAdapters(model, ['a', 'b'])
    const apart = logitsOf(model)
    {
      using merged = mergeAdapters(model, { prompt: [...ids.subarray(0, LENGTH)] })
      const moved = logitsOf(model).reduce((far, value, i) => Math.max(far, Math.abs(value - apart[i])), 0)
      expect(merged.maxLogitDifference).toBe(moved)
      expect(relativeError(logitsOf(model), apart)).toBeLessThanOrEqual(most)
      expect(merged.unpacked).toHaveLength(kind === 'bf16' ? 0 : 9)
    }
    expect(sameBytes(logitsOf(model), apart)).toBe(true)
  })

  test('modules, norms, biases and tied tokens that are trained beside an adapter', () => {
    using temporary = temporaryFolder()
    using model = loadModel(GPT2, { device: cpu })
    using adapter = attachLora(model, {
      targetModules: ['c_attn'],
      rank: 2,
      init: false,
      modulesToSave: ['ln_f'],
      trainableTokenIndices: [3, 5],
      bias: 'all',
    })
    for (const one of adapter.parameters.values())
      one.set(one.toArray().map((value, i) => value + Math.sin(i) / 4))
    const apart = logitsOf(model)
    const { weight } = model.head
    {
      using merged = mergeAdapters(model)
      expect(merged.layers).toContain('transformer.ln_f')
      expect(relativeError(logitsOf(model), apart)).toBeLessThanOrEqual(1e-5)
      expect(model.head.weight === model.embedding.weight).toBe(true) // tied still
      saveModel(model, GPT2, temporary.path)
    }
    expect(model.head.weight).toBe(weight)
    expect(sameBytes(logitsOf(model), apart)).toBe(true)
    using again = loadModel(temporary.path, { device: cpu })
    expect(relativeError(logitsOf(again), apart)).toBeLessThanOrEqual(1e-5)
    expect(again.info.config['tie_word_embeddings'] ?? true).toBe(true)
    activateAdapters(model, [])
    const batch = createBatch({ ids, offsets }, cpu)
    using _parts = disposedTogether(batch.ids, batch.positions, batch.offsets)
    const rows = ['__base__', 'default', '__base__', '__base__', '__base__']
    expect(
      errorOf(() => withDocumentAdapters(model, batch, rows, () => model.hidden(batch))).message,
    ).toContain('it changes transformer.h.0.ln_1')
  })

  test('a tied head that was merged is saved as one of its own', () => {
    using temporary = temporaryFolder()
    using model = loadModel(GPT2, { device: cpu })
    using _head = attachLora(model, { targetModules: ['lm_head', 'c_attn'], rank: 2, init: false })
    const apart = logitsOf(model)
    {
      using _merged = mergeAdapters(model)
      saveModel(model, GPT2, temporary.path)
    }
    using again = loadModel(temporary.path, { device: cpu })
    expect(relativeError(logitsOf(again), apart)).toBeLessThanOrEqual(1e-5)
  })

  test('an adapter of the whole model, and an empty prompt, are refused', () => {
    using model = loadModel(LLAMA, { device: cpu })
    using _lora = attachLora(model, { targetModules: ['q_proj'], init: false, rank: 2, name: 'lora' })
    expect(errorOf(() => mergeAdapters(model, { prompt: [] })).code).toBe('E_DATA')
    using _prompt = attachAdapter(model, promptTokens, { tokens: 2 }, { name: 'prompt' })
    expect(errorOf(() => mergeAdapters(model)).code).toBe('E_UNSUPPORTED')
    expect(hasMergedAdapters(model)).toBe(false)
  })
})

describe('names', () => {
  test('adapters are found, renamed and deleted by name, and saved under any', () => {
    using temporary = temporaryFolder()
    using all = openAll()
    const { model } = all
    activateAdapters(model, ['a'])
    const wanted = logitsOf(model)
    renameAdapter(model, 'a', 'german')
    expect(adapterNames(model)).toEqual(['german', 'b', 'c'])
    expect(attachedAdapters(model).map(({ name }) => name)).toEqual(['german', 'b', 'c'])
    expect(attachedAdapter(model, 'german').kind).toBe('lora')
    expect(sameBytes(logitsOf(model), wanted)).toBe(true)
    saveAdapter(temporary.path, attachedAdapter(model, 'german'), { baseModel: null })
    deleteAdapter(model, 'german')
    deleteAdapter(model, 'c')
    expect(adapterNames(model)).toEqual(['b'])
    using _again = loadAdapter(model, temporary.path, { name: 'german' })
    activateAdapters(model, ['german'])
    expect(sameBytes(logitsOf(model), wanted)).toBe(true)
  })

  test('that cannot be are refused', () => {
    using all = openAll()
    const { model } = all
    expect(errorOf(() => renameAdapter(model, 'x', 'y')).code).toBe('E_NAME')
    expect(errorOf(() => renameAdapter(model, 'a', 'b')).code).toBe('E_ADAPTER')
    expect(errorOf(() => deleteAdapter(model, 'aa')).remedy).toContain('"a"')
    for (const name of ['', '__base__'])
      expect(errorOf(() => attachLora(model, { targetModules: ['q_proj'], name })).code).toBe('E_ADAPTER')
    renameAdapter(model, 'a', 'a')
    expect(adapterNames(model)).toEqual(['a', 'b', 'c'])
  })
})
