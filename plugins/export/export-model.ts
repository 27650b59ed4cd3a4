/**
 * Exports a model or an adapter in one call: finds it, writes it, opens what was written again, and tells how far it is from what it was
 * made of. What does not hold is not left behind.
 */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { writeFileAtomic, writeFolderAtomic } from '../../core/files/atomic.ts'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { discard, removeStale, syncPath, temporaryName } from '../../core/files/files.ts'
import { rename } from '../../core/files/rename.ts'
import {
  createHost,
  type FloatDType,
  isQuantized,
  type Model,
  type Plugin,
  TrituneError,
} from '../../core/mod.ts'
import { Disposables } from '../../core/disposables.ts'
import { cpu } from '../cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../cuda/mod.ts'
import { saveModel, saveTokenizer } from '../finetune/mod.ts'
import { type GgufFileType, ggufFileType, openGguf } from '../gguf/mod.ts'
import { isHubName } from '../hub/mod.ts'
import { loadModel, models } from '../models/mod.ts'
import {
  adapterVocabulary,
  type AttachedAdapter,
  loadAdapter,
  openAdapterFiles,
  peft,
  readPluginRecords,
  saveAdapter,
  saveMlxAdapter,
} from '../peft/mod.ts'
import { readTokenizerFiles } from '../tokenizer/mod.ts'
import { wasm } from '../wasm/mod.ts'
import { compareLogits, type LogitDifference, promptIds, promptLogits } from './compare-logits.ts'
import { type ExportSource, findSource } from './export-source.ts'
import { exportGgufAdapter } from './gguf-adapter.ts'
import { exportGgufModel } from './gguf-model.ts'
import { modelfile } from './modelfile.ts'
import type { ExportTarget } from './targets.ts'

/** What is exported to what, and how. */
export interface ExportOptions {
  readonly to: ExportTarget
  /** A new .gguf file for `gguf`, else a new folder. */
  readonly output: string
  /** Of GGUF files: `q4_k_m`, `f16`, …; default: f16. */
  readonly type?: string
  /** GGUF and Ollama: the LoRA alone, for the base as it is. */
  readonly lora?: boolean
  /** The base model of an adapter, where its files do not say it. */
  readonly base?: string
  /** An adapter for a source that is a model. */
  readonly adapter?: string
  /** What is merged and compared in; default: as the model is stored (f32 for .gguf). */
  readonly dtype?: FloatDType
  /** Default: `cpu`. */
  readonly device?: DeviceName
  readonly plugins?: readonly Plugin[]
  /** Of model folders. */
  readonly maxShardBytes?: number
  readonly offline?: boolean
  /** False: what was written is opened and counted, not compared. */
  readonly compare?: boolean
  readonly onNote?: (text: string) => void
}

/** What was exported. */
export interface ExportReport {
  readonly to: ExportTarget
  readonly output: string
  readonly files: readonly { readonly name: string; readonly bytes: number }[]
  readonly tensors: number
  /** GGUF: tensors by the type that they have. */
  readonly types: Readonly<Record<string, number>> | null
  /** Beside the model that it was made of; null: not compared. */
  readonly difference: LogitDifference | null
  /** What the other tool will do otherwise, or cannot be told. */
  readonly notes: readonly string[]
}

/**
 * `source` is a run's output, the folder of an adapter or of a model, a .gguf file of either, or a hub name.
 *
 * @throws E_USAGE for what does not go together; E_FILE when `output` is there already; E_UNSUPPORTED for what the other tool has not;
 * E_MODEL when what was written does not give the same logits; E_DISK and others. Nothing is left behind then.
 * @example
 * ```ts
 * import { exportModel } from 'tritune/plugins/export'
 *
 * const { difference, tensors } = await exportModel('my-model', { to: 'gguf', output: 'exported.gguf', type: 'q8_0' })
 * console.log(tensors > 0, (difference?.divergence ?? 1) < 0.5) // → true true
 * ```
 */
export async function exportModel(source: string, options: ExportOptions): Promise<ExportReport> {
  const { to, type = 'f16', lora = false, onNote } = options
  checkOptions(options)
  const fileType = ggufFileType(type)
  using host = createHost({ plugins: [cpu, cuda, wasm, models, peft, ...(options.plugins ?? [])] })
  const found = await findSource(source, {
    definitions: host.all('adapter'),
    ...(options.base === undefined ? {} : { base: options.base }),
    ...(options.adapter === undefined ? {} : { adapter: options.adapter }),
    ...(options.offline === undefined ? {} : { offline: options.offline }),
    ...(onNote === undefined ? {} : { onNote }),
  })
  if ((lora || to === 'peft' || to === 'mlx') && found.adapter === null)
    throw new TrituneError('E_USAGE', `${source} has no adapter`, {
      remedy:
        to === 'mlx'
          ? 'export the model to hf: mlx_lm.convert reads that'
          : 'name the folder of one, or a model and --adapter',
    })
  const { device, note } = openDevice(options.device ?? 'cpu')
  if (note !== null) onNote?.(note)
  const open = (path: string, dtype: FloatDType | undefined, adapter: string | null): OpenModel => {
    using parts = new Disposables()
    const definitions = host.all('adapter')
    const vocabSize = adapter === null ? 0 : adapterVocabulary(adapter, definitions)
    const model = parts.use(loadModel(path, { device, dtype, models: host.all('model'), vocabSize }))
    const attached = adapter === null ? null : parts.use(loadAdapter(model, adapter, { definitions, onNote }))
    const owned = parts.move()
    return { model, adapter: attached, [Symbol.dispose]: () => owned.dispose() }
  }
  return await exportFound({ found, options, fileType, open })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Opened {
  readonly model: Model
  readonly adapter: AttachedAdapter | null
}

type OpenModel = Opened & Disposable

interface Export {
  readonly found: ExportSource
  readonly options: ExportOptions
  readonly fileType: GgufFileType
  open(path: string, dtype: FloatDType | undefined, adapter: string | null): OpenModel
}

/** What is known after the files are written, and how they are opened again. */
interface Written {
  readonly tensors: number
  readonly types: ReadonlyMap<string, number> | null
  readonly notes: readonly string[]
  readonly found: number
  readonly reopen: { readonly path: string; readonly adapter: string | null }
}

function checkOptions({ to, output, type, lora = false }: ExportOptions): void {
  const isGguf = to === 'gguf' || to === 'ollama'
  if (!isGguf && (type !== undefined || lora))
    throw new TrituneError('E_USAGE', `${lora ? '--lora' : '--type'} is for gguf and ollama, not for ${to}`)
  if (lora && type !== undefined && type.toLowerCase() !== 'f32')
    throw new TrituneError('E_USAGE', 'a LoRA alone is written in f32; --type is for models')
  if (to === 'gguf' && !output.endsWith('.gguf'))
    throw new TrituneError('E_USAGE', `the name of the file must end in .gguf, got "${output}"`)
  if (existsSync(output))
    throw new TrituneError('E_FILE', 'it exists already', { place: output, remedy: 'choose another name' })
}

async function exportFound(task: Export): Promise<ExportReport> {
  const { found, options, open } = task
  const { to, output, compare = true } = options
  using source = open(found.modelPath, options.dtype, found.adapter)
  const { model } = source
  const dtype = dtypeOf(model)
  // An int8 base rounds activations; what is written of it does not.
  const isRounded = dtype !== 'f32' || [...model.layers.values()].some(({ weight }) => isQuantized(weight))
  const files = found.tokenizerPath === null ? null : readTokenizerFiles(found.tokenizerPath)
  const ids = promptIds(files, model.info.vocabSize)
  const logits = compare ? promptLogits(model, ids) : null
  const done: { readonly written: Written; readonly difference: LogitDifference | null }[] = []
  const fill = (path: string): void => {
    const written = write(path, task, source)
    // One model at a time in memory.
    source[Symbol.dispose]()
    expectCount(written, path)
    if (logits === null) {
      done.push({ written, difference: null })
      return
    }
    using again = open(written.reopen.path, dtype, written.reopen.adapter)
    const difference = compareLogits(logits, promptLogits(again.model, ids), ids.length)
    expectClose(difference, task, isRounded)
    done.push({ written, difference })
  }
  if (to === 'gguf') fillFile(output, fill)
  else await writeFolderAtomic(output, fill)
  const [{ written, difference }] = done
  return {
    to,
    output,
    files: filesOf(output),
    tensors: written.tensors,
    types: written.types === null ? null : Object.fromEntries(written.types),
    difference,
    notes: written.notes,
  }
}

function write(path: string, task: Export, { model, adapter }: OpenModel): Written {
  const { found, options, fileType } = task
  switch (options.to) {
    case 'gguf':
      return options.lora === true
        ? writeLora(path, found, { model, adapter })
        : writeMerged(path, found, model, fileType)
    case 'ollama':
      return writeOllama(path, task, { model, adapter })
    case 'hf': {
      saveModel(model, found.modelPath, path, {
        tokenizerPath: found.tokenizerPath ?? path,
        ...(options.maxShardBytes === undefined ? {} : { maxShardBytes: options.maxShardBytes }),
      })
      const count = openCheckpoint(path).entries.size
      return { tensors: count, types: null, notes: [], found: count, reopen: { path, adapter: null } }
    }
    case 'peft':
    case 'mlx':
      return writeAdapter(path, task, adapter)
    default:
      return options.to satisfies never
  }
}

function writeMerged(path: string, found: ExportSource, model: Model, fileType: GgufFileType): Written {
  const { name, tokenizerPath } = found
  const { tensorCount, types, notes } = exportGgufModel(path, model, {
    fileType,
    name,
    tokenizerPath,
    place: found.modelPath,
  })
  return {
    tensors: tensorCount,
    types,
    notes,
    found: openGguf(path).tensors.size,
    reopen: { path, adapter: null },
  }
}

function writeLora(path: string, found: ExportSource, { model, adapter }: Opened): Written {
  const folder = found.adapter ?? ''
  if (folder.endsWith('.gguf'))
    throw new TrituneError('E_USAGE', 'the adapter is a GGUF file already', { place: folder })
  const { tensorCount } = withPlainFiles(path, folder, { adapter, baseModel: found.modelRef }, (plain) =>
    exportGgufAdapter(path, plain, model, { name: found.name, base: nameOfBase(found.modelRef) }),
  )
  return {
    tensors: tensorCount,
    types: new Map([['F32', tensorCount]]),
    notes: [],
    found: openGguf(path).tensors.size,
    reopen: { path: found.modelPath, adapter: path },
  }
}

/** Of a model on this machine the last part of its path: a file that is given away tells no folders. */
function nameOfBase(ref: string): string {
  return isHubName(ref) ? ref : basename(resolve(ref)).replace(/\.gguf$/, '')
}

/** An adapter of mlx-lm, or one that took a part of its base over, is written as a plain LoRA of PEFT first; that is gone afterwards. */
function withPlainFiles<T>(
  path: string,
  folder: string,
  { adapter, baseModel }: { readonly adapter: AttachedAdapter | null; readonly baseModel: string },
  fn: (folder: string) => T,
): T {
  const { format, config } = openAdapterFiles(folder)
  const isPlain = format === 'peft' && typeof config['init_lora_weights'] !== 'string'
  if (isPlain || adapter === null) return fn(folder)
  const plain = `${path}.peft`
  try {
    saveAdapter(plain, adapter, { baseModel })
    return fn(plain)
  } finally {
    discard(plain)
  }
}

/** model.gguf with everything folded in; or the base as it is, and the adapter beside it. */
function writeOllama(folder: string, { found, options, fileType, open }: Export, opened: Opened): Written {
  mkdirSync(folder, { recursive: true })
  const tokenizer = found.tokenizerPath === null ? null : readTokenizerFiles(found.tokenizerPath)
  const file = join(folder, 'model.gguf')
  const isLora = options.lora === true
  let written: Written
  if (isLora) {
    const adapter = join(folder, 'adapter.gguf')
    const lora = writeLora(adapter, found, opened)
    using base = open(found.modelPath, options.dtype, null)
    const merged = writeMerged(file, found, base.model, fileType)
    written = {
      ...merged,
      tensors: merged.tensors + lora.tensors,
      found: merged.found + lora.found,
      reopen: { path: file, adapter },
    }
  } else written = writeMerged(file, found, opened.model, fileType)
  const { text, notes } = modelfile({
    model: './model.gguf',
    adapter: isLora ? './adapter.gguf' : null,
    tokenizer,
  })
  writeFileAtomic(join(folder, 'Modelfile'), text)
  return { ...written, notes: [...written.notes, ...notes] }
}

/** In PEFT's files or in those of mlx-lm. */
function writeAdapter(folder: string, { found, options }: Export, adapter: AttachedAdapter | null): Written {
  if (adapter === null) throw new TrituneError('E_USAGE', 'there is no adapter to write')
  const isMlx = options.to === 'mlx'
  if (isMlx) saveMlxAdapter(folder, adapter, { baseModel: found.modelRef })
  else {
    const plugins = readPluginRecords(found.adapter ?? folder)
    saveAdapter(folder, adapter, { baseModel: found.modelRef, plugins })
  }
  if (found.tokenizerPath !== null && found.tokenizerPath === found.adapter)
    saveTokenizer(folder, found.tokenizerPath)
  // Both count what they wrote themselves.
  const file = join(folder, isMlx ? 'adapters.safetensors' : 'adapter_model.safetensors')
  const count = openCheckpoint(file).entries.size
  return {
    tensors: count,
    types: null,
    notes: [],
    found: count,
    reopen: { path: found.modelPath, adapter: folder },
  }
}

/** A file that gets its name when all is done. */
function fillFile(output: string, fill: (path: string) => void): void {
  const target = resolve(output)
  mkdirSync(dirname(target), { recursive: true })
  removeStale(target)
  const temporary = `${temporaryName(target)}.gguf`
  try {
    fill(temporary)
    rename(temporary, target)
    syncPath(dirname(target))
  } catch (error) {
    discard(temporary)
    throw error
  }
}

function expectCount({ tensors, found }: Written, path: string): void {
  if (found !== tensors)
    throw new TrituneError('E_MODEL', `${found} tensors are in the file, ${tensors} were written`, {
      place: path,
    })
}

/** Of the largest logit; quantized types have their own error, which is told and not judged. */
const TOLERANCE: Readonly<Record<string, number>> = { f32: 1e-3, f16: 0.02, bf16: 0.1 }

function expectClose(difference: LogitDifference, { options, fileType }: Export, isRounded: boolean): void {
  const isGguf = options.to === 'gguf' || options.to === 'ollama'
  const stored = isGguf && options.lora !== true ? TOLERANCE[fileType.name] : TOLERANCE['f32']
  const allowed = Math.max(stored ?? Infinity, isRounded ? TOLERANCE['bf16'] : 0)
  if (difference.most <= allowed * difference.largest) return
  if (Number.isFinite(difference.most) && allowed === Infinity) return
  throw new TrituneError(
    'E_MODEL',
    `what was written gives other logits: max |Δ| ${difference.most.toPrecision(3)} of ${difference.largest.toPrecision(3)}`,
    { remedy: 'this should not happen: please report it, with the model' },
  )
}

function dtypeOf(model: Model): FloatDType {
  return [...model.weights.values()].some(({ dtype }) => dtype === 'bf16') ? 'bf16' : 'f32'
}

function filesOf(output: string): { name: string; bytes: number }[] {
  const stat = statSync(output)
  if (!stat.isDirectory()) return [{ name: basename(output), bytes: stat.size }]
  return readdirSync(output, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .flatMap((name) => {
      const one = statSync(join(output, name))
      return one.isFile() ? [{ name, bytes: one.size }] : []
    })
}
