/**
 * Jinja templates as transformers runs them: Python's values, the immutable sandbox, trim_blocks and lstrip_blocks, loop
 * controls, `{% generation %}`, `tojson` without HTML escapes, `raise_exception`, `strftime_now`.
 * https://jinja.palletsprojects.com/en/stable/templates/
 */
import { TrituneError } from '../../core/mod.ts'
import { compileBody } from './compile.ts'
import { toValue } from './convert.ts'
import type { Environment } from './environment.ts'
import { templateError } from './errors.ts'
import { SEQUENCE_FILTERS } from './filters-sequence.ts'
import { TEXT_FILTERS } from './filters-text.ts'
import { VALUE_FILTERS } from './filters-value.ts'
import { GLOBALS } from './globals.ts'
import type { Statement } from './nodes.ts'
import { parse } from './parse.ts'
import { type Budget, createRun, DEFAULT_BUDGET } from './run.ts'
import type { Scope } from './scope.ts'
import { TESTS } from './tests.ts'
import type { Value } from './values.ts'

/** Options of rendering a template. Exported as `TemplateRenderOptions`. */
export interface RenderOptions {
  readonly budget?: Budget
  /** The time of `strftime_now`. */
  readonly now?: () => Date
  /** Writing what is not defined is an error, not an empty text; default: false, as transformers has it. */
  readonly strict?: boolean
}

/** What a template rendered. */
export interface Rendered {
  readonly text: string
  /**
   * Characters `[start, end)` of the `{% generation %}` blocks; undefined where a block stands inside of a macro or
   * another captured text, so that its place is not known.
   */
  readonly generations: readonly { readonly start: number; readonly end: number }[] | undefined
}

/** A compiled template; it can render any number of times. */
export interface Template {
  /** True when it has `{% generation %}` blocks. */
  readonly marksGenerations: boolean
  /**
   * Variables are plain data (objects, arrays, texts, numbers, booleans, null).
   * @throws E_TOKENIZER what the template raises or does wrong, with its line; or that it costs more than the budget
   */
  render(variables: Readonly<Record<string, unknown>>, options?: RenderOptions): Rendered
}

const ENVIRONMENT: Environment = {
  filters: new Map(Object.entries({ ...SEQUENCE_FILTERS, ...TEXT_FILTERS, ...VALUE_FILTERS })),
  tests: new Map(Object.entries(TESTS)),
}

/**
 * Compiles a Jinja template, as transformers runs those of chats. Throws E_TOKENIZER with the line of what is wrong.
 * No JavaScript is made of it: a template reaches its variables and nothing else.
 *
 * @throws E_TOKENIZER with the line of what is wrong in the template
 * @example
 * ```ts
 * import { compileTemplate } from 'tritune/plugins/jinja'
 *
 * const template = compileTemplate('{% for m in messages %}{{ m.role }}: {{ m.content | trim }}{% endfor %}')
 * console.log(template.render({ messages: [{ role: 'user', content: ' Hi ' }] }).text) // → user: Hi
 * ```
 */
export function compileTemplate(source: string): Template {
  const statements = guarded(() => parse(source))
  const body = guarded(() =>
    compileBody(statements, { environment: ENVIRONMENT, isSoft: false, isInLoop: false }),
  )
  return {
    marksGenerations: hasGeneration(statements),
    render(variables, { budget = DEFAULT_BUDGET, now = () => new Date(), strict = false } = {}) {
      const run = createRun(budget, now, strict)
      return guarded(
        () => {
          const names = new Map<string, Value>()
          for (const [name, value] of Object.entries(variables))
            if (value !== undefined) names.set(name, toValue(value))
          const globals: Scope = { run, names: new Map(GLOBALS), parent: undefined }
          const given: Scope = { run, names, parent: globals }
          body({ run, names: new Map(), parent: given })
          return { text: run.out, generations: run.generations }
        },
        () => run.line,
      )
    },
  }
}

/** Adds the line to errors that have none, and turns a stack that is used up into an error of the template. */
function guarded<T>(work: () => T, line?: () => number): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError)
      throw templateError('the template or its data is nested too deeply', line?.())
    if (!(error instanceof TrituneError) || line === undefined) throw error
    const { message, remedy } = error
    const what = remedy === undefined ? message : message.slice(0, message.lastIndexOf('\n  → '))
    if (/ \(line \d+\)$/.test(what)) throw error
    throw templateError(what, line(), remedy)
  }
}

function hasGeneration(statements: readonly Statement[]): boolean {
  return statements.some((statement) => {
    if (statement.kind === 'generation') return true
    if (statement.kind === 'if') {
      return statement.branches.some(({ body }) => hasGeneration(body)) || hasGeneration(statement.otherwise)
    }
    return (
      ('body' in statement && hasGeneration(statement.body)) ||
      ('otherwise' in statement && hasGeneration(statement.otherwise))
    )
  })
}
