import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { defineConfig } from '../../core/contracts/config.ts'
import { integer, listOf, optional, text } from '../../core/contracts/config-fields.ts'
import { TrituneError } from '../../core/errors.ts'
import { applyOverrides, parseYaml, positionOf, validateYaml, yamlValue } from '../../core/files/yaml.ts'

const config = defineConfig(
  v.strictObject({
    adapter: optional(v.strictObject({ rank: integer({ min: 1 }) }), { rank: 8 }),
    base: optional(v.strictObject({ rank: integer() }), { rank: 8 }),
    datasets: optional(listOf(v.strictObject({ path: text() })), []),
  }),
)

function errorOf(run: () => unknown): TrituneError {
  try {
    run()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('expected an error')
}

describe('validateYaml()', () => {
  test('says file, line, column, field, expectation and value', () => {
    const source = parseYaml('# a run\nadapter:\n  rank: eight\n', 'finetune.yaml')
    expect(errorOf(() => validateYaml(config, source)).message).toBe(
      'finetune.yaml:3:3 adapter.rank: expected an integer ≥ 1, got "eight"',
    )
  })

  test('finds list items', () => {
    const source = parseYaml('datasets:\n  - path: a\n  - path: 3\n', 'f.yaml')
    expect(errorOf(() => validateYaml(config, source)).place).toBe('f.yaml:3:5 datasets[1].path')
  })

  test('points at the holder when the key is missing', () => {
    const source = parseYaml('datasets:\n  - path: a\n  - {}\n', 'f.yaml')
    expect(errorOf(() => validateYaml(config, source)).place).toBe('f.yaml:3:5 datasets[1].path')
  })

  test('follows merges and aliases to the offending line', () => {
    const source = parseYaml('base: &b\n  rank: 0.5\nadapter:\n  <<: *b\n', 'f.yaml')
    expect(positionOf(source, ['adapter', 'rank'])).toBe('2:3')
    expect(yamlValue(source)).toEqual({ base: { rank: 0.5 }, adapter: { rank: 0.5 } })
  })
})

describe('parseYaml()', () => {
  test('reports syntax errors with line and column', () => {
    const error = errorOf(() => parseYaml('a: 1\nb: [1, 2\nc: 3\n', 'f.yaml'))
    expect(error.code).toBe('E_YAML')
    expect(error.place).toBe('f.yaml:3:1')
  })

  test('refuses duplicate keys by name', () => {
    const error = errorOf(() => parseYaml('a: 1\nb: 2\na: 3\n', 'f.yaml'))
    expect(error.message).toBe('f.yaml:3:1: the key "a" stands here a second time')
    expect(error.code).toBe('E_YAML')
  })

  test('refuses an empty file, a list and a second document', () => {
    expect(errorOf(() => parseYaml('# nothing\n', 'f.yaml')).message).toContain('f.yaml: the file is empty')
    expect(errorOf(() => parseYaml('', 'f.yaml')).code).toBe('E_YAML')
    expect(errorOf(() => parseYaml('- a\n', 'f.yaml')).place).toBe('f.yaml:1:1')
    expect(errorOf(() => parseYaml('a: 1\n---\nb: 2\n', 'f.yaml')).message).toContain('second document')
  })

  test('ignores a byte order mark and CRLF', () => {
    expect(yamlValue(parseYaml('\uFEFFa: 1\r\nb: two\r\n', 'f.yaml'))).toEqual({ a: 1, b: 'two' })
  })

  test('stops an alias bomb', () => {
    const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`)
    const source = parseYaml(['l0: &l0 [x]', ...levels].join('\n'), 'f.yaml')
    expect(errorOf(() => yamlValue(source)).code).toBe('E_YAML')
  })
})

describe('applyOverrides()', () => {
  const source = parseYaml('adapter:\n  rank: 4\ndatasets:\n  - path: a\n', 'f.yaml')

  test('sets values read as YAML and leaves the source alone', () => {
    const changed = applyOverrides(source, ['adapter.rank=16', 'datasets.0.path=b', 'base.rank=2'])
    expect(validateYaml(config, changed)).toEqual({
      adapter: { rank: 16 },
      base: { rank: 2 },
      datasets: [{ path: 'b' }],
    })
    expect(validateYaml(config, source).adapter.rank).toBe(4)
  })

  test('becomes the place of an error', () => {
    const changed = applyOverrides(source, ['adapter.rank=many'])
    expect(errorOf(() => validateYaml(config, changed)).message).toBe(
      '--set adapter.rank: expected an integer ≥ 1, got "many"',
    )
    const whole = applyOverrides(source, ['adapter={rank: 0}'])
    expect(errorOf(() => validateYaml(config, whole)).place).toBe('--set adapter adapter.rank')
  })

  test('refuses what it cannot read or place', () => {
    for (const assignment of ['adapter', '=3', 'adapter.rank.deep=1', 'adapter=[1']) {
      expect(errorOf(() => applyOverrides(source, [assignment])).code).toBe('E_USAGE')
    }
  })
})
