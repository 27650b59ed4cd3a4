import { describe, expect, test } from 'bun:test'
import { TrituneError } from '../../../core/errors.ts'
import { compileTemplate } from '../../../plugins/jinja/mod.ts'
import golden from '../../golden/jinja/language.json' with { type: 'json' }

/** The clock of tests/oracle/jinja_golden.py. */
const now = (): Date => new Date(2026, 2, 7, 15, 4, 9, 123)

/** The text, or null when the template is refused (in the one way that it may be). */
function render(template: string): string | null {
  try {
    return compileTemplate(template).render(golden.variables, { now }).text
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    expect(error.code).toBe('E_TOKENIZER')
    return null
  }
}

describe('compileTemplate() gives the text of Jinja2, and refuses what it refuses', () => {
  for (const [group, cases] of Object.entries(golden.groups)) {
    test(group, () => {
      expect(cases.length).toBeGreaterThan(5)
      const ours = cases.map(([template]) => [template, render(String(template))])
      expect(ours).toEqual(cases)
    })
  }
})
