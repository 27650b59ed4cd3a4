/**
 * Texts that are JSON of a schema: which tokens may come next, for an engine.
 */
import { type JsonSchema, TrituneError } from '../../../core/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'
import type { TokenConstraint } from '../token-constraint.ts'
import { createAutomaton, type State } from './automaton.ts'
import { schemaGrammar } from './schema-grammar.ts'
import { createTokenTable, type TokenTable } from './token-table.ts'

/** A schema, ready for texts of one tokenizer. What texts have found out about it is kept for those that follow. */
export interface OpenSchema {
  /** The rules of a new text. */
  open(): TokenConstraint
}

/**
 * A JSON Schema for texts: what they say is JSON that fits it, unless they are cut off. Properties come in the order of the schema and only those that it
 * names; README.md has the keywords.
 *
 * @throws E_CONFIG with the place in the schema for a keyword that is not supported, E_TOKENIZER for a vocabulary that cannot write it
 * @example
 * ```ts
 * import { openBatchEngine, openJsonSchema } from 'tritune/plugins/generate'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadTokenizer } from 'tritune/plugins/tokenizer'
 *
 * using model = loadModel('my-model')
 * const tokenizer = loadTokenizer('my-model')
 * const schema = openJsonSchema({ type: 'object', properties: { done: { type: 'boolean' } }, required: ['done'] }, tokenizer)
 * using engine = openBatchEngine(model, { rows: 1, tokens: 64 })
 * engine.add({ prompt: tokenizer.encode('Call me'), constraint: schema.open(), maxNewTokens: 40 })
 * const ids: number[] = []
 * while (engine.open > 0) for (const { id } of engine.step()) if (id !== null) ids.push(id)
 * console.log(Object.keys(JSON.parse(tokenizer.decode(ids)))) // → [ 'done' ]
 * ```
 */
export function openJsonSchema(schema: JsonSchema, tokenizer: Tokenizer): OpenSchema {
  const automaton = createAutomaton(schemaGrammar(schema))
  const table = tableOf(tokenizer)
  return { open: () => openConstraint(automaton.start(), table) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const tables = new WeakMap<Tokenizer, TokenTable>()

/** Sorting a vocabulary takes longer than most schemas. */
function tableOf(tokenizer: Tokenizer): TokenTable {
  const known = tables.get(tokenizer)
  if (known) return known
  const made = createTokenTable(tokenizer)
  tables.set(tokenizer, made)
  return made
}

function openConstraint(start: State, table: TokenTable): TokenConstraint {
  let state = start
  return {
    get canEnd() {
      return state.canEnd
    },
    get isOver() {
      return state.isOver
    },
    allowed: () => table.allowed(state),
    accept(id) {
      const next = table.follow(state, id)
      if (next === null)
        throw new TrituneError('E_DATA', `token ${id} cannot come here: the text would not be of the schema`)
      state = next
    },
  }
}
