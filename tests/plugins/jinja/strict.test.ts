/** `strict`: what is not defined is an error where it is written, and only there. */
import { expect, test } from 'bun:test'
import { compileTemplate } from '../../../plugins/jinja/mod.ts'

test('writing what is not defined is an error with its name and line', () => {
  const template = compileTemplate('a\n{{ b }}')
  expect(template.render({}).text).toBe('a\n')
  expect(() => template.render({}, { strict: true })).toThrow(/'b' is undefined \(line 2\)/)
  expect(template.render({ b: 1 }, { strict: true }).text).toBe('a\n1')
})

test('asking whether it is defined is none', () => {
  const template = compileTemplate("{{ b is defined }} {{ b | default('x') }}")
  expect(template.render({}, { strict: true }).text).toBe('False x')
})

test('joining texts with it is one too', () => {
  expect(() => compileTemplate("{{ 'a' ~ b }}").render({}, { strict: true })).toThrow(/'b' is undefined/)
})
