/**
 * What a part keeps between steps, as a checkpoint has it: tensors as bytes, the rest as JSON text.
 */
import type { JsonValue, Stateful, Tensor } from '../core/mod.ts'
import { setTensorBytes } from '../core/tensor/tensor-bytes.ts'
import { expectKept, textOf } from './check.ts'
import { snapshot } from './compare.ts'

export interface SavedState {
  readonly tensors: ReadonlyMap<string, Uint8Array>
  /** null: the part saves none. */
  readonly json: string | null
}

/** Throws when what the part gives cannot be written, or cannot be told from another part's. */
export function saveState(what: string, part: Stateful): SavedState {
  const state = part.saveState?.()
  if (state !== undefined) expectJson(what, state)
  expectKept((part.saveState === undefined) === (part.loadState === undefined), () => ({
    expected: `${what} has both saveState and loadState, or neither`,
    got: part.saveState ? 'saveState alone' : 'loadState alone',
    lookAt: 'the methods of the part: what is saved must be taken back',
  }))
  return {
    tensors: snapshot(part.tensors?.() ?? new Map()),
    json: state === undefined ? null : JSON.stringify(state),
  }
}

/** Puts a saved state into a fresh part, as a resumed run does. */
export function loadState(what: string, part: Stateful, { tensors, json }: SavedState): void {
  const targets: ReadonlyMap<string, Tensor> = part.tensors?.() ?? new Map()
  const [names, wanted] = [[...targets.keys()].join(', '), [...tensors.keys()].join(', ')]
  expectKept(names === wanted, () => ({
    expected: `a fresh ${what} names the tensors that were saved: ${wanted || 'none'}`,
    got: names || 'none',
    lookAt: 'tensors(): always the same names, from the start',
  }))
  const state: JsonValue = json === null ? null : JSON.parse(json)
  // As the trainer does: JSON first.
  if (json !== null) part.loadState?.(state)
  for (const [name, target] of targets) {
    const bytes = tensors.get(name) ?? new Uint8Array()
    expectKept(bytes.length === target.bytes, () => ({
      expected: `${name} of a fresh ${what} has the ${bytes.length} bytes that were saved`,
      got: `${target.bytes} bytes`,
      lookAt: 'tensors(): always the same shapes and dtypes, from the start',
    }))
    setTensorBytes(target, bytes)
  }
}

function expectJson(what: string, value: unknown, path = 'saveState()'): void {
  const isPlain =
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value))
  if (isPlain) return
  const isContainer =
    Array.isArray(value) ||
    (typeof value === 'object' && Object.getPrototypeOf(value ?? {}) === Object.prototype)
  expectKept(isContainer, () => ({
    expected: `${path} of ${what} is JSON: texts, finite numbers, booleans, null, lists and plain objects`,
    got: typeof value === 'object' ? Object.prototype.toString.call(value) : textOf(value),
    lookAt: 'saveState(): JSON has no NaN, no Map and no typed array',
  }))
  for (const [key, inner] of Object.entries(Object(value))) expectJson(what, inner, `${path}.${key}`)
}
