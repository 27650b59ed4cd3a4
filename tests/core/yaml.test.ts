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

describe('a file that is no configuration', () => {
  test.each([
    ['a character that no text has', 'a: 1\nb: \u0000\n', 'f.yaml:2: the character U+0000 stands here'],
    ['a tab as indentation', 'a:\n\tb: 1\n', 'f.yaml:2:1: not valid YAML: Tabs'],
    ['a list as a key', '? [1, 2]\n: x\n', 'f.yaml:1:3: a list or a mapping cannot be a key'],
    ['one key as number and as text', '1: y\n"1": z\n', 'f.yaml:2:1: the key "1" stands here a second time'],
    ['a key twice in a list item', 'a:\n  - b: 1\n    b: 2\n', 'f.yaml:3:5: the key "b" stands here'],
    ['something inside itself', 'a: &x [*x]\n', 'f.yaml:1:8: *x stands inside itself'],
    ['an alias of nothing', 'a: *x\n', 'f.yaml:1:4: there is no &x before it'],
    ['a tag of Python', 'a: !!python/object:os.system x\n', 'f.yaml:1:4: this tag is not known'],
    [
      'a number that readers of YAML disagree on',
      'a: 010\n',
      'f.yaml:1:4: 010 is 8 for some readers of YAML and 10',
    ],
    ['nesting without end', `a: ${'['.repeat(200)}${']'.repeat(200)}\n`, 'nested more than 100 levels deep'],
    ['nesting beyond the stack', `a: ${'['.repeat(50_000)}${']'.repeat(50_000)}\n`, 'nested too deeply'],
    ['a scalar', 'hello\n', 'f.yaml:1:1: expected a mapping'],
    ['what is far too long', `a: ${'x'.repeat(5 << 20)}`, 'this is no configuration'],
    ['more aliases than anybody writes', `a: &x 1\nb: [${'*x, '.repeat(1100)}]\n`, 'more than 1000 aliases'],
  ])('%s is told with its place', (_, text, message) => {
    const error = errorOf(() => yamlValue(parseYaml(text, 'f.yaml')))
    expect(error.code).toBe('E_YAML')
    expect(error.message.slice(0, 300)).toContain(message)
  })

  test('takes no longer than it is long', () => {
    const seconds = (count: number): number => {
      const text = Array.from({ length: count }, (_, i) => `key_${i}: 1\n`).join('')
      const start = performance.now()
      yamlValue(parseYaml(text, 'f.yaml'))
      return performance.now() - start
    }
    seconds(1000)
    const few = Math.min(seconds(3000), seconds(3000), seconds(3000))
    // Eight times as many; quadratic time would be 64 times as long.
    expect(seconds(24_000) / few).toBeLessThan(32)
  })
})

describe('values', () => {
  test('with underscores are numbers as in YAML 1.1, dates and words are text, and the rest is YAML 1.2', () => {
    const text =
      'a: 500_000\nb: -1_0.5e3\nc: 2024-01-01\nd: yes\ne: 0x1F\nf: 0o17\ng: 1e-4\nh: a_1\ni: "010"\nj: 08\n'
    expect(yamlValue(parseYaml(text, 'f.yaml'))).toEqual({
      a: 500_000,
      b: -10_500,
      c: '2024-01-01',
      d: 'yes',
      e: 31,
      f: 15,
      g: 1e-4,
      h: 'a_1',
      i: '010',
      j: 8,
    })
  })

  test('are merged, and a key beside `<<` wins', () => {
    const text = 'base: &b { x: 1, y: 2 }\na:\n  <<: *b\n  y: 3\n'
    expect(yamlValue(parseYaml(text, 'f.yaml'))).toMatchObject({ a: { x: 1, y: 3 } })
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
    for (const assignment of [
      'adapter',
      '=3',
      'adapter.rank.deep=1',
      'adapter=[1',
      'adapter={a: 1, a: 2}',
      'a=010',
    ]) {
      expect(errorOf(() => applyOverrides(source, [assignment])).code).toBe('E_USAGE')
    }
  })
})
