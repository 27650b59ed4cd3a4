/**
 * The state of a run besides the trained weights: whatever its parts keep between steps, as tensors and JSON by name.
 *
 *   optimizer.adamw.m.<parameter>    tensors of the gradient chain
 *   strategy.0.skip.…                of the first strategy, named skip
 */
import { type JsonValue, jsonField, type Stateful, type Tensor, TrituneError } from '../../../core/mod.ts'
import type { Run } from '../run.ts'

export interface RunState {
  tensors(): ReadonlyMap<string, Tensor>
  save(): Readonly<Record<string, JsonValue>>
  /** After the tensors have their contents. */
  load(saved: Readonly<Record<string, JsonValue>>): void
}

type Parts = Pick<
  Run,
  'optimizer' | 'objective' | 'strategies' | 'monitors' | 'sampler' | 'plan' | 'rollouts'
>

export function runState({
  optimizer,
  objective,
  strategies,
  monitors,
  sampler,
  plan,
  rollouts,
}: Parts): RunState {
  const parts: [string, Stateful][] = [
    ['optimizer', optimizer],
    [`objective.${objective.name}`, objective],
    ...strategies.map(({ name, part }, i): [string, Stateful] => [`strategy.${i}.${name}`, part]),
    ...monitors.map(({ name, part }, i): [string, Stateful] => [`monitor.${i}.${name}`, part]),
    ...(sampler ? [['sampler', sampler] satisfies [string, Stateful]] : []),
    ...(plan.stream ? [['stream', plan.stream] satisfies [string, Stateful]] : []),
    ...(rollouts ? [['rollouts', rollouts] satisfies [string, Stateful]] : []),
    ['learning_rate', plan.rate],
    ...(plan.plateau ? [['lr_scheduler', plan.plateau] satisfies [string, Stateful]] : []),
  ]
  return {
    tensors() {
      const all = new Map<string, Tensor>()
      for (const [prefix, part] of parts)
        for (const [name, tensor] of part.tensors?.() ?? []) all.set(`${prefix}.${name}`, tensor)
      return all
    },
    save() {
      return Object.fromEntries(
        parts.flatMap(([name, part]) => (part.saveState ? [[name, checked(name, part.saveState())]] : [])),
      )
    },
    load(saved) {
      for (const [name, part] of parts) if (part.loadState) part.loadState(jsonField(saved, name))
    },
  }
}

/** What JSON would change in silence (NaN becomes null, undefined vanishes) is an error of the part. */
function checked(name: string, state: JsonValue): JsonValue {
  const seen = (value: unknown, path: string): void => {
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return
    if (typeof value === 'number' && Number.isFinite(value)) return
    if (typeof value !== 'object')
      throw new TrituneError(
        'E_PLUGIN',
        `the state of ${name} cannot be saved: ${path} is ${String(value)}`,
        {
          remedy:
            'saveState() returns JSON: finite numbers, texts, booleans, null, lists and objects of them',
        },
      )
    for (const [key, item] of Object.entries(value)) seen(item, `${path}.${key}`)
  }
  seen(state, 'it')
  return state
}
