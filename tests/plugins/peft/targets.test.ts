/**
 * Which layers a pattern names: PEFT's rules, and an error where PEFT would say nothing.
 */
import { describe, expect, test } from 'bun:test'
import { TrituneError } from '../../../core/mod.ts'
import { checkPatterns, matchTargets, patternValue, type TargetOptions } from '../../../plugins/peft/mod.ts'

const MODULES = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.up_proj',
]
const PATHS = [0, 1, 2, 10].flatMap((i) => MODULES.map((name) => `model.layers.${i}.${name}`))

function match(options: TargetOptions): readonly string[] {
  return matchTargets(PATHS, options).matched
}

function errorOf(run: () => unknown): TrituneError {
  try {
    run()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a list of names', () => {
  test('fits whole path components at the end', () => {
    expect(match({ targetModules: ['q_proj'] })).toHaveLength(4)
    expect(match({ targetModules: ['self_attn.q_proj', 'up_proj'] })).toHaveLength(8)
    expect(match({ targetModules: ['model.layers.1.mlp.up_proj'] })).toEqual(['model.layers.1.mlp.up_proj'])
    expect(match({ targetModules: ['1.mlp.up_proj'] })).toEqual(['model.layers.1.mlp.up_proj'])
    expect(errorOf(() => match({ targetModules: ['proj'] })).code).toBe('E_ADAPTER')
  })

  test('keeps the order of the model and counts each name', () => {
    const { matched, counts } = matchTargets(PATHS, {
      targetModules: ['v_proj', 'q_proj', 'self_attn.q_proj'],
    })
    expect(matched).toEqual(PATHS.filter((path) => /[qv]_proj$/.test(path)))
    expect([...counts]).toEqual([
      ['v_proj', 4],
      ['q_proj', 4],
      ['self_attn.q_proj', 4],
    ])
  })

  test('is not a list of regular expressions', () => {
    expect(errorOf(() => match({ targetModules: ['.*_proj'] })).message).toContain(
      '".*_proj" matches no layer',
    )
  })

  test('must not be empty', () => {
    expect(errorOf(() => match({ targetModules: [] })).message).toContain('target_modules is empty')
  })
})

describe('a text', () => {
  test('is a regular expression on the whole path', () => {
    expect(match({ targetModules: String.raw`.*\.(q|v)_proj` })).toHaveLength(8)
    expect(match({ targetModules: String.raw`model\.layers\.\d\..*` })).toHaveLength(15)
    expect(errorOf(() => match({ targetModules: 'q_proj' })).code).toBe('E_ADAPTER')
    expect(errorOf(() => match({ targetModules: String.raw`model\.layers\.1` })).code).toBe('E_ADAPTER')
  })

  test('has alternatives that all have to fit the whole path', () => {
    expect(match({ targetModules: String.raw`.*\.q_proj|.*\.v_proj` })).toHaveLength(8)
  })

  test('all-linear is every layer', () => {
    expect(match({ targetModules: 'all-linear' })).toEqual(PATHS)
  })

  test('that is no regular expression is an error with its text', () => {
    expect(errorOf(() => match({ targetModules: '.*(q_proj' })).message).toContain(
      '".*(q_proj" is not a regular',
    )
  })
})

describe('exclusion and layers', () => {
  test('excluded modules are left out, by list and by regular expression', () => {
    expect(match({ targetModules: 'all-linear', excludeModules: ['k_proj', 'o_proj'] })).toHaveLength(12)
    expect(match({ targetModules: ['q_proj'], excludeModules: String.raw`.*\.1\..*` })).toEqual(
      PATHS.filter((path) => path.endsWith('q_proj') && !path.includes('.1.')),
    )
    expect(match({ targetModules: 'all-linear', excludeModules: [] })).toEqual(PATHS)
  })

  test('an exclusion that names nothing is an error', () => {
    expect(
      errorOf(() => match({ targetModules: 'all-linear', excludeModules: ['w_proj'] })).message,
    ).toContain('exclude_modules: "w_proj"')
  })

  test('layersToTransform takes layers by their index, not by a digit', () => {
    expect(match({ targetModules: ['q_proj'], layersToTransform: [1] })).toEqual([
      'model.layers.1.self_attn.q_proj',
    ])
    expect(match({ targetModules: ['q_proj'], layersToTransform: [0, 10] })).toHaveLength(2)
    expect(match({ targetModules: ['q_proj'], layersToTransform: [] })).toHaveLength(4)
    expect(errorOf(() => match({ targetModules: ['q_proj'], layersToTransform: [7] })).code).toBe('E_ADAPTER')
  })
})

test('a miss says the nearest names and what the model has', () => {
  const error = errorOf(() => match({ targetModules: ['q_porj'] }))
  expect(error.message).toContain('"q_porj" matches no layer')
  expect(error.remedy).toContain('did you mean "q_proj"')
  expect(error.remedy).toContain('q_proj, k_proj, v_proj, o_proj, up_proj')
})

test('patternValue() takes the first key that fits the end of a path', () => {
  const patterns = { 'layers.2.mlp.up_proj': 2, 'mlp.up_proj': 3, q_proj: 8 }
  expect(patternValue('model.layers.2.mlp.up_proj', patterns, 4)).toBe(2)
  expect(patternValue('model.layers.1.mlp.up_proj', patterns, 4)).toBe(3)
  expect(patternValue('model.layers.12.mlp.up_proj', patterns, 4)).toBe(3)
  expect(patternValue('model.layers.1.self_attn.q_proj', patterns, 4)).toBe(8)
  expect(patternValue('model.layers.1.self_attn.k_proj', patterns, 4)).toBe(4)
})

test('checkPatterns() refuses keys that fit nothing and keys that contradict each other', () => {
  expect(() => checkPatterns('rank_pattern', { q_proj: 8, 'mlp.up_proj': 2 }, PATHS)).not.toThrow()
  expect(errorOf(() => checkPatterns('rank_pattern', { w_proj: 8 }, PATHS)).message).toContain(
    'rank_pattern: "w_proj"',
  )
  const both = errorOf(() => checkPatterns('alpha_pattern', { q_proj: 8, 'self_attn.q_proj': 4 }, PATHS))
  expect(both.message).toContain('several keys with different values fit model.layers.0.self_attn.q_proj')
})
