import { describe, expect, test } from 'bun:test'
import { TrituneError } from '../../../core/errors.ts'
import { compileTemplate } from '../../../plugins/jinja/mod.ts'

/** The refusal of a template, and how long it took in ms. */
function refusal(
  template: string,
  variables: Readonly<Record<string, unknown>> = {},
): { message: string; ms: number } {
  const start = performance.now()
  try {
    compileTemplate(template).render(variables)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    expect(error.code).toBe('E_TOKENIZER')
    return { message: error.message, ms: performance.now() - start }
  }
  throw new Error(`not refused: ${template}`)
}

const TOO_MUCH: readonly string[] = [
  '{{ range(1000000000000) }}',
  '{{ range(100001) }}',
  '{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}',
  '{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}',
  "{{ 'a' * 1000000000000 }}",
  '{{ [0] * 1000000000000 }}',
  "{% set ns = namespace(s='abcdefgh') %}{% for i in range(90) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
  "{% set ns = namespace(s='abcdefgh') %}{% for i in range(90) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
  "{% set ns = namespace(s='ab') %}{% for i in range(90) %}{% set ns.s = ns.s.replace('a', ns.s) %}{% endfor %}",
  '{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}',
  '{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = ns.l + ns.l %}{% endfor %}',
  '{% set ns = namespace(l=[1]) %}{% for i in range(9000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l | tojson }}',
  '{% for a in range(99999) %}{% set x = range(99999) | list %}{% endfor %}',
  '{% set l = range(99999) | list %}{% for a in l %}{{ 99999999 in l }}{% set x = l[::-1] | sort | tojson %}{% endfor %}',
  '{% set ns = namespace(d={}) %}{% for a in range(99999) %}{% set ns.d = dict(ns.d, **{a | string: 1}) %}{% endfor %}',
  "{% set s = 'a' * 9999999 %}{% for a in range(99999) %}{{ s[a] }}{{ s | length }}{{ s == s ~ '' }}{% endfor %}",
  '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
  '{% macro m(n) %}{{ m(n - 1) if n }}{{ m(n - 1) if n }}{% endmacro %}{{ m(60) }}',
  '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}',
  '{{ 10 ** 1000000000000 }}',
  '{% set ns = namespace(n=2) %}{% for i in range(90) %}{% set ns.n = ns.n * ns.n %}{% endfor %}',
  "{{ 'a'.center(1000000000000) }}",
  "{{ 'a'.zfill(1000000000000) }}",
  "{{ '%1000000000000d' % 1 }}",
  "{{ '%.1000000000f' % 1.5 }}",
  "{{ '{:>1000000000000}'.format(1) }}",
  "{{ 'a\tb'.expandtabs(1000000000000) }}",
  "{{ 'a\nb' | indent(1000000000000) }}",
  '{{ [1] | tojson(indent=1000000000000) }}',
  '{{ [1] | batch(1000000000000, 0) | list }}',
  '{{ [1] | slice(1000000000000, 0) | list }}',
  '{{ 1.5 | round(1000000000000) }}',
  `{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`,
  `{{ ${'['.repeat(5000)}${']'.repeat(5000)} }}`,
  `{{ ${'not '.repeat(5000)}1 }}`,
  `{{ ${'- '.repeat(5000)}1 }}`,
  '{% if 1 %}'.repeat(5000),
  `{{ a${'.b'.repeat(20000)} }}`,
]

describe('compileTemplate()', () => {
  // Each takes about a second at most; the limit leaves room for a machine that does other things.
  for (const [index, template] of TOO_MUCH.entries()) {
    test(`stops what would take the machine: ${index} ${template.slice(0, 60)}`, () => {
      expect(refusal(template).ms).toBeLessThan(20_000)
    }, 60_000)
  }

  test('says what was exceeded, and where', () => {
    const { message } = refusal(
      '\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}',
    )
    expect(message).toMatch(/more than 5000000 steps \(line \d\)/)
    expect(refusal("{{ 'a' * 10 ** 12 }}").message).toContain('longer than 16777216')
    const budget = { steps: 100, text: 10, items: 10, depth: 3 }
    const few = { ...budget, text: 1000, items: 1000 }
    expect(() => compileTemplate('{{ s }}{{ s }}').render({ s: 'seven77' }, { budget })).toThrow(
      'longer than 10',
    )
    expect(() =>
      compileTemplate('{% for x in range(99) %}{{ x }}{% endfor %}').render({}, { budget: few }),
    ).toThrow('100 steps')
  })

  test('refuses data that it cannot hold exactly', () => {
    expect(refusal('{{ n }}', { n: 2 ** 53 }).message).toContain('beyond 2^53')
    expect(compileTemplate('{{ n }}').render({ n: 2n ** 80n }).text).toBe(String(2n ** 80n))
    const nested: unknown[] = []
    let inner = nested
    for (let i = 0; i < 2000; i++) inner.push((inner = []))
    expect(refusal('{{ n }}', { n: nested }).message).toContain('nested deeper')
    expect(refusal('{{ n }}', { n: () => 1 }).message).toContain('cannot be given a function')
  })

  test('gives templates nothing of JavaScript', () => {
    const given = { o: { a: 1 }, s: 'x', l: [1] }
    for (const name of [
      'constructor',
      '__proto__',
      'prototype',
      'toString',
      'hasOwnProperty',
      'map',
      'length',
    ]) {
      for (const on of ['o', 's', 'l', 'range', 'namespace()', 'dict']) {
        expect(
          compileTemplate(`{{ ${on}.${name} is defined }}{{ ${on}['${name}'] is defined }}`).render(given)
            .text,
        ).toBe('FalseFalse')
      }
    }
    expect(compileTemplate("{{ {'__proto__': 1}['__proto__'] }}").render({}).text).toBe('1')
    expect(compileTemplate('{{ o.__proto__ }}').render({ o: JSON.parse('{"__proto__": 5}') }).text).toBe('5')
  })

  test('is linear in long texts', () => {
    const long = `${' '.repeat(200_000)}x${' '.repeat(200_000)}`
    const start = performance.now()
    const template =
      "{{ s.strip() }}{{ s | trim }}{{ s.split() }}{{ s.rstrip(' ').lstrip() }}{{ s.splitlines() | length }}{{ ('<' * 200000) | striptags | length }}" +
      "{{ s.title() | length }}{{ s | wordcount }}{{ s | title | length }}{{ s.replace(' ', '') }}"
    expect(compileTemplate(template).render({ s: long }).text).toContain("xx['x']x1")
    const many = `${'a{% raw %}{% endraw'.repeat(20_000)}{% endraw %}`
    expect(compileTemplate(many).render({}).text.length).toBeGreaterThan(1000)
    expect(performance.now() - start).toBeLessThan(4000)
  })

  test('tells where generation blocks stand', () => {
    const template = compileTemplate(
      'é{% for x in [1, 2] %}a{% generation %}b{{ x }}{% endgeneration %}{% endfor %}',
    )
    expect(template.marksGenerations).toBe(true)
    expect(template.render({})).toEqual({
      text: 'éab1ab2',
      generations: [
        { start: 2, end: 4 },
        { start: 5, end: 7 },
      ],
    })
    const hidden = compileTemplate(
      '{% macro m() %}{% generation %}b{% endgeneration %}{% endmacro %}{{ m() }}',
    )
    expect(hidden.render({})).toEqual({ text: 'b', generations: undefined })
    expect(compileTemplate('a').marksGenerations).toBe(false)
  })
})
