/**
 * The tensors of an adapter's file as its layers want them stored: most are those that are trained, some are made of them.
 */
import { Disposables } from '../../../core/disposables.ts'
import type { Adapter, FinishedForm, Tensor } from '../../../core/mod.ts'
import type { AttachedAdapter } from '../attach/attached-adapter.ts'
import { PREFIX } from './tensor-names.ts'

/** Tensors under the names of the file. What was made for this alone is freed with it. */
export interface StoredTensors extends Disposable {
  readonly tensors: ReadonlyMap<string, Tensor>
  /** After they were filled from a file: gives the adapter what they say. */
  take(): void
}

/**
 * What a file of this adapter consists of, now; with `finished`, where it is trimmed, that. Frees what that has.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { attachLora, storedTensors } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using adapter = attachLora(model, { rank: 4, init: 'pissa', targetModules: ['q_proj'] })
 * using stored = storedTensors(adapter)
 * const [a] = stored.tensors.values()
 * console.log(a.shape[0]) // → 8
 * ```
 */
export function storedTensors(
  { adapters, tensors }: Pick<AttachedAdapter, 'adapters' | 'tensors'>,
  finished: FinishedForm | null = null,
): StoredTensors {
  const owned = new Disposables()
  const made: { readonly adapter: Adapter; readonly tensors: Readonly<Record<string, Tensor>> }[] = []
  const all = new Map(tensors)
  try {
    for (const [i, [path, adapter]] of [...adapters].entries()) {
      for (const [key, tensor] of Object.entries(finished?.tensors[i] ?? {}))
        all.set(`${PREFIX}${path}.${key}`, owned.use(tensor))
      if (!adapter.stored) continue
      for (const key of Object.keys(adapter.parameters())) all.delete(`${PREFIX}${path}.${key}`)
      const own = adapter.stored.make()
      made.push({ adapter, tensors: own })
      for (const [key, tensor] of Object.entries(own)) all.set(`${PREFIX}${path}.${key}`, owned.use(tensor))
    }
  } catch (error) {
    owned.dispose()
    throw error
  }
  return {
    tensors: all,
    take() {
      for (const { adapter, tensors: own } of made) adapter.stored?.take(own)
    },
    [Symbol.dispose]: () => owned.dispose(),
  }
}
