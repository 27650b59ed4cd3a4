/**
 * The texts of a task's file: a field of the record, or a Jinja template as lm-evaluation-harness renders it (white space stays as it is, and
 * writing what is not defined is an error).
 */
import { TrituneError } from '../../../core/mod.ts'
import { compileTemplate } from '../../jinja/mod.ts'

/** What a text is made of: the fields of a record. */
export type Fields = Readonly<Record<string, unknown>>

/** A text of each record, or a value where the template is one expression. */
export interface TaskTemplate {
  text(fields: Fields): string
  /** The value of the field, or of the one expression in the template; E_CONFIG for a template that is more than that. */
  value(fields: Fields): unknown
}

/** `source` is the name of a field, or a template. `place` is told by its errors. */
export function taskTemplate(source: string, place: string): TaskTemplate {
  const render = rendered(source, place)
  const [, expression] = /^\s*\{\{((?:(?!\}\}|\{\{).)*)\}\}\s*$/s.exec(source) ?? []
  const json = expression === undefined ? null : rendered(`{{ (${expression}) | tojson }}`, place)
  return {
    text: (fields) => (Object.hasOwn(fields, source) ? String(fields[source]) : render(fields)),
    value(fields) {
      if (Object.hasOwn(fields, source)) return fields[source]
      if (json) return JSON.parse(json(fields))
      throw new TrituneError(
        'E_CONFIG',
        'expected the name of a field, or one {{ expression }} that gives the list',
        { place },
      )
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Tags keep the line breaks around them, and the last line break stays, as Jinja2 has it without the settings of transformers. */
function rendered(source: string, place: string): (fields: Fields) => string {
  const kept = source
    .replace(/\{%(?![-+])/g, '{%+')
    .replace(/(?<![-+])%\}/g, '+%}')
    .replace(/\n$/, '\n\n')
  const template = placed(() => compileTemplate(kept), place)
  return (fields) => placed(() => template.render(fields, { strict: true }).text, place)
}

function placed<T>(work: () => T, place: string): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof TrituneError)) throw cause
    throw new TrituneError('E_CONFIG', `the template cannot be used: ${cause.message}`, { place, cause })
  }
}
