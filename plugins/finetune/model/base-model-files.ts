/**
 * The files of the base model, or of another one that the run's file names, in the order in which they are needed: config.json and the tokenizer,
 * and the weights when all else has been found right.
 */
import { existsSync, realpathSync } from 'node:fs'
import { ConfigError, type ConfigPath, type Host, TrituneError } from '../../../core/mod.ts'
import {
  type HubOptions,
  type ModelHeaders,
  resolveModel,
  resolveModelHeaders,
  resolveModelPart,
} from '../../hub/mod.ts'
import { modelDefinition } from '../../models/mod.ts'
import { atKey, atKeyAsync, failuresAtKey } from '../config/at-key.ts'
import type { FinetuneConfig } from '../config/config.ts'

export interface BaseModelFiles extends Partial<Disposable> {
  /** The folder (or the .gguf file) with all that comes before the weights. Its architecture is one that is known. */
  small(): Promise<string>
  /** Waits for the weights; where they are: that folder. */
  whole(): Promise<string>
}

export interface BaseModelOptions extends Pick<HubOptions, 'onProgress' | 'onNote'> {
  /** `headers`: files as long as the weights, with their headers alone. */
  readonly weights: 'all' | 'headers'
  /** The key that names the model; default: `base_model`. */
  readonly key?: ConfigPath
}

/** Errors are those of the key that names the model. */
export function baseModelFiles(
  {
    base_model,
    revision_of_model,
    offline,
    output_dir,
  }: Pick<FinetuneConfig, 'base_model' | 'revision_of_model' | 'offline' | 'output_dir'>,
  host: Host,
  { weights, key = ['base_model'], ...tell }: BaseModelOptions,
): BaseModelFiles {
  const options = { revision: revision_of_model ?? undefined, offline: offline ?? undefined, ...tell }
  let folder: string | null = null
  let headers: ModelHeaders | null = null

  const checked = (path: string): string => {
    atKey(['output_dir'], () => checkApart(output_dir, path, key))
    if (!path.endsWith('.gguf')) modelDefinition(path, host.all('model'))
    return path
  }

  return {
    async small() {
      return await atKeyAsync(key, async () => {
        const config = await resolveModelPart(base_model, 'config', options)
        // One file of a repository has everything in it.
        if (config === null) return (folder = checked(await resolveModel(base_model, options)))
        checked(config)
        folder = (await resolveModelPart(base_model, 'small', options)) ?? config
        return folder
      })
    },
    async whole() {
      return await atKeyAsync(key, async () => {
        if (weights === 'headers') {
          headers ??= await resolveModelHeaders(base_model, options)
          return headers.path
        }
        if (folder?.endsWith('.gguf')) return folder
        const whole = await resolveModel(base_model, options)
        if (whole === folder) return whole
        throw new TrituneError('E_HUB', 'the model was changed on the hub while it was downloaded', {
          remedy: 'start again',
        })
      })
    },
    [Symbol.dispose]: () => headers?.[Symbol.dispose](),
  }
}

/** A model that cannot be built is a fault of the line that names it; where the weights do not fit in memory, it is not. */
export function ofBaseModel<T>(folder: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    // One that knows its key is no fault of this one.
    if (error instanceof ConfigError || !(error instanceof TrituneError)) throw error
    if (!['E_MODEL', 'E_FORMAT', 'E_FILE', 'E_SHAPE'].includes(error.code)) throw error
    const failures = failuresAtKey(['base_model'], error).map((failure) =>
      failure.what.includes(folder) ? failure : { ...failure, what: `${folder}: ${failure.what}` },
    )
    throw new ConfigError(failures)
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What a run writes must not land on what it was made from. */
function checkApart(outputDir: string, modelPath: string, key: ConfigPath): void {
  if (!existsSync(outputDir) || realpathSync(outputDir) !== realpathSync(modelPath)) return
  const which = key[0] === 'base_model' ? 'the base model' : String(key[0])
  throw new TrituneError('E_CONFIG', `output_dir is the folder of ${which}`, {
    place: outputDir,
    remedy: `name another folder, or ${which === 'the base model' ? which : 'the model there'} would be overwritten`,
  })
}
