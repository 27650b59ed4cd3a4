/**
 * All rows: one for each op and each function that core/ops exports. `missing` names those that nobody wrote.
 */
import * as ops from '../../../core/ops/mod.ts'
import { type OpOutputs, run, type Tensor } from '../../../core/mod.ts'
import { FUNCTION_ROWS, NO_ROWS } from './functions.ts'
import { PLANS } from './plans.ts'
import { type AnyOp, type Inputs, isOp, type Row } from './row.ts'

/** Ops that work in place: outputs are the inputs of these names. */
const IN_PLACE: Readonly<Record<string, readonly string[]>> = {
  adamw: ['weight', 'master', 'm', 'v'],
  adamw_8bit: ['weight', 'master', 'm8', 'v8', 'mAbsmax', 'vAbsmax'],
}

/** Codes and samples: a last bit decides between two of them. */
const LOOSE: ReadonlySet<string> = new Set([
  'adamw_8bit',
  'quantize_4bit',
  'quantize_8bit',
  'quantize_int8',
  'quantize_ternary',
  'sample',
  'sum_squares',
  'linear_quantized',
])

const EXPORTS: readonly (readonly [string, unknown])[] = Object.entries(ops)

const OPS: readonly AnyOp[] = EXPORTS.map(([, value]) => value).filter(isOp)

function opRow(op: AnyOp): Row {
  const call = (inputs: Inputs, params: unknown): Tensor[] => {
    const into = Object.fromEntries((IN_PLACE[op.name] ?? []).map((name) => [name, inputs[name] ?? null]))
    const outputs: OpOutputs = run(op, inputs, params, into)
    return Object.values(outputs).filter((output) => output !== null)
  }
  return { name: op.name, plan: PLANS[op.name], call, loose: LOOSE.has(op.name) }
}

export function fuzzRows(): Row[] {
  return [...OPS.filter(({ name }) => name in PLANS).map(opRow), ...FUNCTION_ROWS]
}

/** Exports without a row. */
export function missingRows(): string[] {
  const functions = new Set(FUNCTION_ROWS.map(({ name }) => name))
  const without = EXPORTS.filter(
    ([name, value]) => !isOp(value) && !functions.has(name) && !(name in NO_ROWS),
  )
  return [...OPS.map(({ name }) => name).filter((name) => !(name in PLANS)), ...without.map(([name]) => name)]
}
