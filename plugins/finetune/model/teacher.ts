/**
 * The model that a run is distilled from, as far as it is known before its weights: its name, and whether it can be built.
 */
import { existsSync } from 'node:fs'
import type { Host, Model } from '../../../core/mod.ts'
import { loadModel, openHollowModel } from '../../models/mod.ts'
import { expectSameVocabulary } from '../../preference/mod.ts'
import { atKey } from '../config/at-key.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { keyOfObjective } from '../config/preference-options.ts'
import { shapeDevice } from '../memory/shape-device.ts'

/** As the file names it: a folder, a .gguf file, or a name on the hub; null: nothing is distilled. */
export function teacherOf({
  objective: { name, options },
}: Pick<FinetuneConfig, 'objective'>): string | null {
  const teacher: unknown = Reflect.get(options, 'teacher')
  return name === 'distillation' && typeof teacher === 'string' ? teacher : null
}

/**
 * Throws a `ConfigError` at the key of the teacher where it cannot be built or has not the token ids of `model`: told by the headers of its weights
 * where they are on this machine, else by its config.json. `path` is where that is.
 */
export function checkTeacherShapes(
  config: FinetuneConfig,
  model: Model,
  { path, host }: { readonly path: string; readonly host: Host },
): void {
  const named = teacherOf(config)
  if (named === null) return
  const device = shapeDevice({ kind: 'cpu', name: 'cpu' })
  const options = { device, models: host.all('model') }
  const isHere = path.endsWith('.gguf') || existsSync(named)
  atKey(keyOfObjective(config, ['teacher']), () => {
    using teacher = isHere ? loadModel(path, options) : openHollowModel(path, options)
    if (teacher) expectSameVocabulary(model, teacher, named)
  })
}
