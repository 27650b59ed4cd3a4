import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GgufFile } from '../../../plugins/gguf/mod.ts'
import { ggufToHf, openGguf } from '../../../plugins/gguf/mod.ts'

const golden = join(import.meta.dir, '../../golden/gguf')
const open = (name: string): GgufFile => openGguf(join(golden, `${name}.gguf`))

/** The same file with some metadata replaced or removed. */
function withMetadata(file: GgufFile, values: Record<string, string | number | undefined>): GgufFile {
  const metadata = new Map(file.metadata)
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) metadata.delete(key)
    else metadata.set(key, value)
  }
  return { ...file, metadata }
}

function withoutTensor(file: GgufFile, name: string): GgufFile {
  return { ...file, tensors: new Map([...file.tensors].filter(([key]) => key !== name)) }
}

describe('ggufToHf()', () => {
  test.each(['llama', 'qwen2', 'qwen3'])(
    'gives the weights of a %s model as transformers loads them',
    (name) => {
      const expected: Record<string, { shape: number[]; sha256: string }> = JSON.parse(
        readFileSync(join(golden, `${name}.json`), 'utf8'),
      )
      const { tensors } = ggufToHf(open(name))
      expect([...tensors.keys()].toSorted()).toEqual(Object.keys(expected).toSorted())
      for (const tensor of tensors.values()) {
        const sha256 = createHash('sha256').update(new Uint8Array(tensor.read().buffer)).digest('hex')
        expect({ name: tensor.name, shape: [...tensor.shape], sha256 }).toEqual({
          name: tensor.name,
          ...expected[tensor.name],
        })
      }
    },
  )

  test('reads any rows of a permuted projection', () => {
    const tensor = ggufToHf(open('llama')).tensors.get('model.layers.0.self_attn.q_proj.weight')!
    const all = tensor.read()
    for (const [rowStart, rowCount] of [
      [0, 1],
      [3, 7],
      [8, 8],
      [13, 19],
      [31, 1],
    ]) {
      const part = [...tensor.read({ rowStart, rowCount })]
      expect(part).toEqual([...all.subarray(rowStart * 32, (rowStart + rowCount) * 32)])
    }
  })

  test('gives the config of each family', () => {
    expect(ggufToHf(open('llama')).config).toMatchObject({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      vocab_size: 64,
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 50000,
      rope_scaling: null,
      rope_freq_factors: [1, 2, 4, 8],
      tie_word_embeddings: true,
      attention_bias: false,
      bos_token_id: 1,
      eos_token_id: 2,
    })
    expect(ggufToHf(open('qwen2')).config).toMatchObject({
      model_type: 'qwen2',
      tie_word_embeddings: false,
      attention_bias: true,
      rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 },
    })
    expect(ggufToHf(open('qwen3')).config).toMatchObject({
      model_type: 'qwen3',
      head_dim: 16,
      tie_word_embeddings: true,
    })
  })

  test('reads linear rope scaling of new and old files', () => {
    const file = open('llama')
    const scaled = (values: Record<string, string | number>): unknown =>
      Object.entries(ggufToHf(withMetadata(file, values)).config).find(([key]) => key === 'rope_scaling')?.[1]
    expect(scaled({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 2 })).toEqual({
      rope_type: 'linear',
      factor: 2,
    })
    expect(scaled({ 'llama.rope.scale_linear': 4 })).toEqual({ rope_type: 'linear', factor: 4 })
  })

  const refused: [string, Record<string, string | number | undefined>, RegExp][] = [
    [
      'another architecture',
      { 'general.architecture': 'mamba' },
      /architecture "mamba" is not supported[^]*llama, /,
    ],
    ['experts that are not there', { 'llama.expert_count': 8 }, /"llama.expert_used_count" is missing/],
    [
      'experts of another architecture',
      { 'general.architecture': 'qwen2', 'qwen2.expert_count': 8 },
      /mixtures of experts of the architecture "qwen2" are not supported/,
    ],
    ['partial rotation', { 'llama.rope.dimension_count': 4 }, /of which 4 are rotated/],
    ['unknown rope scaling', { 'llama.rope.scaling.type': 'longrope' }, /rope scaling "longrope"/],
    ['a missing key', { 'llama.embedding_length': undefined }, /"llama.embedding_length" is missing/],
    [
      'a config that does not fit',
      { 'llama.feed_forward_length': 96 },
      /gate_proj.weight has shape \[64,32\], expected \[96,32\]/,
    ],
  ]
  test.each(refused)('refuses %s', (_, values, message) => {
    expect(() => ggufToHf(withMetadata(open('llama'), values))).toThrow(message)
  })

  test('names a missing weight', () => {
    expect(() => ggufToHf(withoutTensor(open('llama'), 'blk.0.ffn_up.weight'))).toThrow(
      /up_proj.weight is missing/,
    )
    expect(() => ggufToHf(withoutTensor(open('qwen2'), 'blk.0.attn_k.bias'))).toThrow(
      /k_proj.bias is missing/,
    )
  })
})
