/**
 * An adapter from the files of one tool into those of another, without a model. GGUF needs one: plugins/export.
 */
import { Disposables } from '../../../core/disposables.ts'
import { existsSync } from 'node:fs'
import { writeFolderAtomicSync } from '../../../core/files/atomic.ts'
import { referenceDevice, type Tensor, TrituneError, zeros } from '../../../core/mod.ts'
import { type AdapterFormat, openAdapterFiles } from './adapter-files.ts'
import { fillParameter } from '../fill-parameter.ts'
import { saveMlxAdapter } from '../mlx/mod.ts'
import { saveAdapter } from './save.ts'

/** What `convertAdapter()` wrote. */
export interface ConvertedAdapter {
  readonly from: AdapterFormat
  readonly to: AdapterFormat
  readonly tensors: number
}

/**
 * Writes the adapter of `folder` into a new folder, which appears whole or not at all. Tensors become f32.
 * Throws E_FILE when the output is there, E_ADAPTER for NaN, E_UNSUPPORTED for what the other tool has not.
 *
 * @example
 * ```ts
 * import { convertAdapter } from 'tritune/plugins/peft'
 *
 * console.log(convertAdapter('my-adapter', 'for-mlx', 'mlx').from) // → peft
 * ```
 */
export function convertAdapter(folder: string, output: string, to: AdapterFormat): ConvertedAdapter {
  if (existsSync(output))
    throw new TrituneError('E_FILE', 'the output folder exists already', {
      place: output,
      remedy: 'name a new folder',
    })
  const { config, entries, checkpoint, file, format } = openAdapterFiles(folder)
  if (format === to)
    throw new TrituneError('E_ADAPTER', `the adapter is in the files of ${to} already`, {
      place: folder,
      remedy: 'copy the folder',
    })
  expectOwnBase(config, folder)
  using owned = new Disposables()
  const tensors = new Map<string, Tensor>()
  for (const [name, entry] of entries) {
    const tensor = owned.use(zeros(entry.shape, { device: referenceDevice }))
    tensor.adopt(null)
    fillParameter(tensor, entry, checkpoint, file)
    tensors.set(name, tensor)
  }
  const { base_model_name_or_path: base, ...fields } = config
  const baseModel = typeof base === 'string' ? base : null
  writeFolderAtomicSync(output, (temporary) => {
    if (to === 'mlx') saveMlxAdapter(temporary, { config: fields, tensors }, { baseModel })
    else
      saveAdapter(
        temporary,
        { config: fields, tensors, adapters: new Map(), finished: () => null },
        { baseModel },
      )
  })
  return { from: format, to, tensors: tensors.size }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Factors that took a part of the base over are nothing without it: whoever reads them must know what was taken. */
function expectOwnBase({ init_lora_weights: init }: Readonly<Record<string, unknown>>, folder: string): void {
  if (typeof init === 'string' && /^(pissa|olora|loftq|corda)/.test(init))
    throw new TrituneError(
      'E_UNSUPPORTED',
      `the adapter started as a part of its base (${init}), which only PEFT's files can say`,
      {
        place: folder,
        remedy:
          'load it on its base model and save that: what is saved is a plain LoRA (on the command line: --base)',
      },
    )
}
