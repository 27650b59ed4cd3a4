/**
 * Finds where NaN or Inf came from: runs the window forward again and looks at each part, then at the gradients.
 */
import {
  firstNonFinite,
  type Model,
  noGrad,
  type Parameters,
  tensorScope,
  TrituneError,
  type Device,
} from '../../../core/mod.ts'
import type { Batch } from '../../data/mod.ts'
import { createBatch } from '../../models/mod.ts'

export interface SearchContext {
  readonly model: Model
  readonly device: Device
  readonly parameters: Parameters
}

/** An E_NAN that names the first bad weight, activation or gradient. */
export function findNonFinite(
  { model, device, parameters }: SearchContext,
  window: readonly Batch[],
  what: string,
): TrituneError {
  const culprit =
    badTensor(parameters, (p) => p) ??
    window.map((batch) => badActivation(model, device, batch)).find((found) => found !== null) ??
    badTensor(parameters, (p) => p.grad)
  return stoppedByNaN(`${what}; first in ${culprit ?? 'the loss itself'}`)
}

/** An E_NAN that says `what`. */
export function stoppedByNaN(what: string): TrituneError {
  return new TrituneError('E_NAN', `training stopped: ${what}`, {
    remedy:
      'lower learning_rate, set max_grad_norm: 1, or look at the data of this step; the last checkpoint is intact',
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function badActivation(model: Model, device: Device, batch: Batch): string | null {
  let found: string | null = null
  const before = model.probe
  model.probe = (path, value) => {
    if (found === null && firstNonFinite(value) >= 0) found = `the output of ${path}`
  }
  try {
    noGrad(() => {
      using _scope = tensorScope()
      model.hidden(createBatch(batch, device))
    })
  } finally {
    model.probe = before
  }
  return found
}

type Named = Parameters extends ReadonlyMap<string, infer T> ? T : never

function badTensor(parameters: Parameters, pick: (parameter: Named) => Named | null): string | null {
  for (const [name, parameter] of parameters) {
    const value = pick(parameter)
    if (value && firstNonFinite(value) >= 0)
      return value === parameter ? `the weight ${name}` : `the gradient of ${name}`
  }
  return null
}
