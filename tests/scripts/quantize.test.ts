/**
 * The commands `quantize` and `merge` on packed bases: what they write loads again, what they say is so, and what is wrong is refused before
 * anything is written.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { denseWeight, isQuantized, type Model } from '../../core/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { openQuantizer, nf4, packLayers } from '../../plugins/qlora/mod.ts'
import { attachLora, saveAdapter } from '../../plugins/peft/mod.ts'
import { GOLDEN, temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { tritune } from './_command.ts'

const BIG = { hidden_size: 64, intermediate_size: 128, num_attention_heads: 4, num_key_value_heads: 2 }

function weightsOf(model: Model): Map<string, Float32Array> {
  return new Map(
    [...model.layers].map(([path, layer]) => {
      using weight = denseWeight(layer)
      return [path, weight.toArray()]
    }),
  )
}

/** Records `{ text }` that are longer than the lengths that the tests ask for. */
function textLines(count: number): string {
  return Array.from(
    { length: count },
    (_, i) => `${JSON.stringify({ text: `${i} and ${i * 7} and ${i * i}, then ${1000 - i * 3}.` })}\n`,
  ).join('')
}

describe('quantize', () => {
  test.each(['nf4', 'fp4', 'int8'])('%s: a folder in shards that is loaded packed', (kind) => {
    using temporary = temporaryFolder()
    const [plain, packed] = [join(temporary.path, 'plain'), join(temporary.path, 'packed')]
    writeTinyModel(plain, BIG)
    const said = tritune([
      'quantize',
      plain,
      packed,
      '--to',
      kind,
      '--skip',
      'o_proj',
      '--max-shard',
      '0.00003',
    ])
    expect(said.stderr).toBe('')
    expect(said.code).toBe(0)
    expect(said.stdout).toContain(`12 layers packed as ${kind}`)
    expect(readdirSync(packed)).toContain('model.safetensors.index.json')
    expect(readdirSync(packed)).toContain('tokenizer.json')
    using model = loadModel(packed)
    for (const { path, kind: place, weight } of model.layers.values())
      expect(isQuantized(weight)).toBe(place === 'linear' && !path.endsWith('o_proj'))
    const again = tritune(['quantize', packed, join(temporary.path, 'twice')])
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('the model is packed already')
  })

  test('bitnet: a folder that is loaded ternary, in either class; a BitNet becomes nothing else', () => {
    using temporary = temporaryFolder()
    const at = (name: string): string => join(temporary.path, name)
    writeTinyModel(at('plain'), BIG)
    const said = tritune([
      'quantize',
      at('plain'),
      at('packed'),
      '--to',
      'bitnet',
      '--linear-class',
      'bitlinear',
    ])
    expect(said.stderr).toBe('')
    expect(said.stdout).toContain('14 layers packed as bitnet')
    const config = JSON.parse(readFileSync(join(at('packed'), 'config.json'), 'utf8'))
    expect(config.quantization_config).toMatchObject({ quant_method: 'bitnet', linear_class: 'bitlinear' })
    using model = loadModel(at('packed'))
    for (const { kind, weight } of model.layers.values())
      expect(isQuantized(weight) && weight.kind).toBe(kind === 'linear' && 'ternary')
    const again = tritune(['quantize', at('packed'), at('twice'), '--to', 'bitnet'])
    expect(again.stderr).toContain('the model is packed already')
    const online = join(GOLDEN, 'bitnet/online')
    const other = tritune(['quantize', online, at('nf4'), '--to', 'nf4'])
    expect(other.stderr).toContain('a BitNet is rounded to −1, 0 and 1, not to nf4')
    expect(tritune(['quantize', online, at('trits'), '--to', 'bitnet']).stdout).toContain(
      '7 layers packed as bitnet',
    )
    expect(existsSync(at('nf4'))).toBe(false)
  })

  test('--calibrate: rounds by texts, says how far it is, and writes what loads packed', () => {
    using temporary = temporaryFolder()
    const at = (name: string): string => join(temporary.path, name)
    writeTinyModel(at('plain'), BIG)
    writeFileSync(at('data.jsonl'), textLines(40))
    const said = tritune([
      'quantize',
      at('plain'),
      at('packed'),
      '--calibrate',
      at('data.jsonl'),
      '--rows',
      '30',
      '--length',
      '24',
      '--block',
      '32',
      '--skip',
      'o_proj',
    ])
    expect(said.code).toBe(0)
    expect(said.stderr).toMatch(/rounding by 30 texts of \d+ tokens together/)
    expect(said.stderr).toContain('12 of 12 layers')
    expect(said.stdout).toContain('12 layers packed as nf4')
    using model = loadModel(at('packed'))
    using nearest = loadModel(at('plain'), { pack: packLayers(openQuantizer(nf4, { block: 32 }), 'f32') })
    for (const [path, { weight, kind }] of model.layers) {
      expect(isQuantized(weight)).toBe(kind === 'linear' && !path.endsWith('o_proj'))
      const other = nearest.layers.get(path)?.weight
      if (isQuantized(weight) && other && isQuantized(other)) expect(weight.bytes).toBe(other.bytes)
    }
  })

  test('--calibrate: bad data is told before weights are read, and nothing is written', () => {
    using temporary = temporaryFolder()
    const at = (name: string): string => join(temporary.path, name)
    writeTinyModel(at('plain'), BIG)
    writeFileSync(at('empty.jsonl'), '')
    writeFileSync(at('few.jsonl'), textLines(1))
    writeFileSync(at('pairs.jsonl'), '{"prompt":"a","chosen":"b","rejected":"c"}\n')
    for (const [file, message] of [
      ['none.jsonl', 'none.jsonl'],
      ['empty.jsonl', 'there is no record'],
      ['pairs.jsonl', 'round by the texts alone'],
      ['few.jsonl', 'tokens are too few to round by: model.layers.0.mlp.down_proj has 128 inputs'],
    ]) {
      const said = tritune(['quantize', at('plain'), at('out'), '--calibrate', at(file)])
      expect(said.code).toBe(1)
      expect(said.stderr).toContain(message)
    }
    expect(readdirSync(temporary.path).toSorted()).toEqual([
      'empty.jsonl',
      'few.jsonl',
      'pairs.jsonl',
      'plain',
    ])
  })

  test('refuses what it cannot do, and writes nothing', () => {
    using temporary = temporaryFolder()
    const [plain, output] = [join(temporary.path, 'plain'), join(temporary.path, 'out')]
    writeTinyModel(plain, BIG)
    for (const [args, message] of [
      [['--to', 'int4'], '--to: expected one of nf4, fp4, int8, bitnet'],
      [['--block', '16'], '--block: expected a power of two from 32 to 4096'],
      [['--block', '100'], '--block: expected a power of two from 32 to 4096'],
      [['--to', 'int8', '--block', '64'], '--block is for nf4 and fp4'],
      [['--threshold', '6'], '--threshold is for int8'],
      [['--to', 'bitnet', '--plain-scales'], '--plain-scales is for nf4 and fp4'],
      [['--to', 'int8', '--calibrate', 'data.jsonl'], '--calibrate is for nf4 and fp4'],
      [['--rows', '8'], '--rows belongs to --calibrate'],
      [['--skip', ''], '--skip: expected the name of a module, got ""'],
      [['--calibrate', 'data.jsonl', '--length', '0'], '--length'],
      [['--linear-class', 'bitlinear'], '--linear-class is for bitnet'],
      [['--to', 'bitnet', '--linear-class', 'other'], 'autobitlinear'],
    ] as const) {
      const said = tritune(['quantize', plain, output, ...args])
      expect(said.code).toBe(2)
      expect(said.stderr).toContain(message)
    }
    for (const more of [[], ['--to', 'int8']]) {
      const unknown = tritune(['quantize', plain, output, '--skip', 'o_proj', '--skip', 'o_prj', ...more])
      expect(unknown.code).toBe(1)
      expect(unknown.stderr).toContain('there is no module "o_prj" to skip')
      expect(unknown.stderr).toContain('model.layers.0.self_attn.q_proj')
    }
    const nowhere = tritune([
      'quantize',
      join(temporary.path, 'no-model'),
      output,
      '--calibrate',
      'no-data.jsonl',
    ])
    expect(nowhere.stderr).toContain('no-data.jsonl')
    expect(existsSync(output)).toBe(false)
  })
})

describe('merge', () => {
  test('gives plain weights from a packed base, and says what that changed', () => {
    using temporary = temporaryFolder()
    const at = (name: string): string => join(temporary.path, name)
    writeTinyModel(at('plain'), BIG)
    expect(tritune(['quantize', at('plain'), at('packed')]).code).toBe(0)
    {
      using model = loadModel(at('packed'))
      using adapter = attachLora(model, { rank: 4, init: false, targetModules: 'all-linear' })
      saveAdapter(at('adapter'), adapter, { baseModel: at('packed') })
    }
    const said = tritune(['merge', at('packed'), at('adapter'), at('merged')])
    expect(said.stderr).toBe('')
    expect(said.stdout).toMatch(/max \|Δ logit\| [\d.e-]+, logits up to [\d.]+, on \d+ tokens/)
    expect(Number(/logit\| (\S+),/.exec(said.stdout)?.[1])).toBeLessThan(1e-4)
    const config = JSON.parse(readFileSync(join(at('merged'), 'config.json'), 'utf8'))
    expect(config.quantization_config).toBeUndefined()
    for (const { storedDType } of openCheckpoint(at('merged')).entries.values())
      expect(storedDType).toBe('F32')
    // From the plain base, packed again as the run had it, the same comes out.
    const again = tritune(['merge', at('plain'), at('adapter'), at('again'), '--quantizer', 'nf4'])
    expect(again.stdout).toContain('max |Δ logit|')
    using one = loadModel(at('merged'))
    using other = loadModel(at('again'))
    expect(weightsOf(other)).toEqual(weightsOf(one))
    // Into the plain weights it is another model, and nothing is said of packed ones.
    const plain = tritune(['merge', at('plain'), at('adapter'), at('unpacked')])
    expect(plain.stdout).not.toContain('Δ logit')
    using third = loadModel(at('unpacked'))
    expect(weightsOf(third)).not.toEqual(weightsOf(one))
  })

  test('of nothing turns a packed model into a plain one', () => {
    using temporary = temporaryFolder()
    const at = (name: string): string => join(temporary.path, name)
    writeTinyModel(at('plain'), BIG)
    expect(tritune(['quantize', at('plain'), at('packed')]).code).toBe(0)
    expect(tritune(['merge', at('packed'), 'none', at('merged')]).code).toBe(0)
    using merged = loadModel(at('merged'))
    using packed = loadModel(at('plain'), { pack: packLayers(openQuantizer(nf4), 'f32') })
    expect(weightsOf(merged)).toEqual(weightsOf(packed))
  })
})
