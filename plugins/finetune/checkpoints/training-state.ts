/**
 * One checkpoint of a run: the trained weights, what the parts of the run keep, and the position, in a folder that appears whole.
 *
 *   checkpoint-120/
 *     adapter_model.safetensors + adapter_config.json, or model.safetensors (adapter: none)
 *     state.safetensors       tensors of optimizer, strategies, … by name
 *     training_state.json     step, best evaluation, settings, JSON of the parts, the SHA-256 of every other file of the folder and of itself
 *
 * A byte that changed, a file that is missing or a field that cannot be is an E_RESUME: nothing is resumed from a damaged checkpoint.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import * as v from 'valibot'
import { recoverFolder, writeFileAtomic, writeFolderAtomicSync } from '../../../core/files/atomic.ts'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { fileError } from '../../../core/files/files.ts'
import { sha256OfFile } from '../../../core/files/hash-file.ts'
import { tensorDType, type TensorEntry } from '../../../core/files/safetensors.ts'
import { type TensorSource, writeSafetensors } from '../../../core/files/safetensors-write.ts'
import {
  type DType,
  expectShape,
  type JsonValue,
  type Shape,
  showValue,
  type Tensor,
  TrituneError,
} from '../../../core/mod.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import type { BaseFiles } from '../model/base-model.ts'
import type { SavedPlugin } from '../plugins/plugin-notes.ts'

/** The content of a checkpoint's training_state.json. */
export interface TrainingState {
  readonly format: 2
  /** Optimizer steps done. */
  readonly step: number
  /** Of the last step; older checkpoints have none. */
  readonly loss?: number | null | undefined
  readonly best: BestEvaluation | null
  /** Evaluations without improvement. */
  readonly stale: number
  /** Steps in a row above the threshold of the watchdog. */
  readonly watchdog: number
  /** What must be equal for a resume to continue to the same bits. */
  readonly settings: Readonly<Record<string, unknown>>
  /** What the parts of the run keep. */
  readonly parts: Readonly<Record<string, JsonValue>>
  /** Hashes of the base model; null when all weights are trained and lie in the checkpoint. */
  readonly base: BaseFiles | null
  /** What the run was trained with; checkpoints of earlier versions do not say. */
  readonly plugins?: readonly SavedPlugin[]
}

export interface BestEvaluation {
  readonly loss: number
  readonly step: number
  /** What it is the best by, where that is not the loss. */
  readonly value?: number
}

export const STATE_FILE = 'training_state.json'
const TENSORS_FILE = 'state.safetensors'

export interface SaveStateOptions {
  readonly folder: string
  readonly state: TrainingState
  readonly tensors: readonly TensorSource[]
  /** Writes the trained weights into a folder. */
  saveWeights(folder: string): void
}

export function saveTrainingState({ folder, state, tensors, saveWeights }: SaveStateOptions): void {
  writeFolderAtomicSync(folder, (temporary) => {
    saveWeights(temporary)
    writeSafetensors(join(temporary, TENSORS_FILE), tensors)
    const files = Object.fromEntries(
      filesIn(temporary).map((name) => [name, sha256OfFile(join(temporary, name))]),
    )
    const content = { ...state, files }
    const text = JSON.stringify({ ...content, self: hashOf(content) }, null, 2)
    writeFileAtomic(join(temporary, STATE_FILE), `${text}\n`)
  })
}

/** Tensors of this process, for a checkpoint. */
export function sourcesOf(tensors: ReadonlyMap<string, Tensor>): TensorSource[] {
  return [...tensors].map(([name, t]) => ({
    name,
    dtype: t.dtype,
    shape: t.shape,
    chunks: () => tensorBytes(t),
  }))
}

/** What a run is, for a checkpoint to be compared with. */
export interface RunIdentity {
  readonly settings: Readonly<Record<string, unknown>>
  readonly totalSteps: number
  /** What settings are called in messages, where not by their keys. */
  readonly names?: Readonly<Record<string, string>>
  /** Asked for only when the checkpoint names a base. */
  base(): BaseFiles
}

/**
 * Reads a checkpoint and checks that it is whole and belongs to this run.
 * @throws E_RESUME naming the settings that differ, the file that is damaged, or the field that cannot be
 */
export function readTrainingState(folder: string, run: RunIdentity): TrainingState {
  recoverFolder(folder)
  const place = join(folder, STATE_FILE)
  if (!existsSync(place))
    throw new TrituneError('E_RESUME', `there is no checkpoint here: ${STATE_FILE} is missing`, {
      place: folder,
    })
  const { files, self: _, ...state } = parseState(place)
  const changed = Object.keys(run.settings).filter(
    (key) =>
      // A checkpoint of an earlier version can lack a setting that there was no choice of then.
      Object.hasOwn(state.settings, key) &&
      settingText(run.settings[key]) !== settingText(state.settings[key]),
  )
  if (changed.length > 0) {
    const list = changed
      .map(
        (key) =>
          `${run.names?.[key] ?? key} (was ${JSON.stringify(state.settings[key])}, is ${JSON.stringify(run.settings[key])})`,
      )
      .join(', ')
    throw new TrituneError('E_RESUME', `these settings changed since the checkpoint: ${list}`, {
      place: folder,
      remedy: 'set them back, or start a new run from the adapter with lora_model_dir',
    })
  }
  if (state.step > run.totalSteps)
    throw damaged(place, `it was made after step ${state.step} of a run of ${run.totalSteps}`)
  checkFiles(folder, files)
  checkBase(place, state.base, run)
  return state
}

/** A setting as the checkpoint in a folder has it; undefined where there is none that can be read, which a resume tells. */
export function savedSetting(folder: string, key: string): unknown {
  try {
    const state: unknown = JSON.parse(readFileSync(join(folder, STATE_FILE), 'utf8'))
    return Reflect.get(Object(Reflect.get(Object(state), 'settings')), key)
  } catch {
    return undefined
  }
}

/** An option that is null is as one that is not there: there can be more of them than there were. */
function settingText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner === null ? undefined : inner)) ?? 'null'
}

/** Puts the saved tensors into those of a run. E_RESUME when a name, shape or dtype does not fit. */
export function fillFrom(file: string, targets: ReadonlyMap<string, Tensor>, prefix = ''): void {
  const checkpoint = openCheckpoint(file)
  for (const [name, target] of targets) {
    const entry = expectEntry(file, `${prefix}${name}`, checkpoint.entries.get(`${prefix}${name}`), target)
    setTensorBytes(target, checkpoint.read(entry))
  }
}

/** E_RESUME unless all of these are in the checkpoint, as they are to be. */
export function expectStateTensors(
  folder: string,
  tensors: readonly { readonly name: string; readonly dtype: DType; readonly shape: Shape }[],
): void {
  const file = join(folder, TENSORS_FILE)
  const { entries } = openCheckpoint(file)
  for (const { name, dtype, shape } of tensors) expectEntry(file, name, entries.get(name), { dtype, shape })
}

/** The tensors of optimizer, strategies and the like. */
export function loadStateTensors(folder: string, tensors: ReadonlyMap<string, Tensor>, prefix = ''): void {
  fillFrom(join(folder, TENSORS_FILE), tensors, prefix)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectEntry(
  file: string,
  name: string,
  entry: TensorEntry | undefined,
  { dtype, shape }: { readonly dtype: DType; readonly shape: Shape },
): TensorEntry {
  if (!entry) throw new TrituneError('E_RESUME', `the checkpoint has no tensor "${name}"`, { place: file })
  expectShape(`${file}: ${name}`, entry.shape, shape)
  if (tensorDType(entry) !== dtype)
    throw new TrituneError('E_RESUME', `tensor "${name}" is ${entry.dtype}, the run has ${dtype}`, {
      place: file,
    })
  return entry
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
/** A mapping; valibot takes a list for one too. */
function mappingOf<T>(value: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, Record<string, T>> {
  return v.pipe(
    v.custom<object>((input) => !Array.isArray(input), 'expected a mapping'),
    v.record(v.string(), value),
  )
}

const hashes = mappingOf(v.pipe(v.string(), v.regex(/^[\da-f]{64}$/)))
const schema = v.object({
  format: v.literal(2),
  step: v.pipe(count, v.minValue(1)),
  loss: v.optional(v.nullable(v.pipe(v.number(), v.finite()))),
  best: v.nullable(
    v.object({
      loss: v.pipe(v.number(), v.finite()),
      step: count,
      value: v.exactOptional(v.pipe(v.number(), v.finite())),
    }),
  ),
  stale: count,
  watchdog: count,
  settings: mappingOf(v.unknown()),
  parts: v.record(
    v.string(),
    v.custom<JsonValue>(() => true),
  ),
  base: v.nullable(hashes),
  plugins: v.exactOptional(
    v.array(
      v.object({
        name: v.string(),
        version: v.nullable(v.string()),
        module: v.string(),
        integrity: v.string(),
      }),
    ),
  ),
  files: hashes,
  /** Of everything else in the file. */
  self: v.string(),
})

function hashOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}

function parseState(place: string): v.InferOutput<typeof schema> {
  let text: unknown
  try {
    text = JSON.parse(readFileSync(place, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(place, 'this is not the state of a run')
    throw fileError(error, place, 'cannot read')
  }
  const result = v.safeParse(schema, text)
  if (result.success) {
    const { self, ...content } = Object(text)
    if (self !== hashOf(content)) throw damaged(place, 'the file is not as it was written')
    return result.output
  }
  const [issue] = result.issues
  const field = issue.path?.map(({ key }) => String(key)).join('.') ?? ''
  if (field === 'format' && typeof issue.input === 'number')
    throw new TrituneError('E_RESUME', `the checkpoint has format ${issue.input}, expected 2`, {
      place,
      remedy: 'it is of another version of tritune: start again, or from its adapter with lora_model_dir',
    })
  throw damaged(place, field === '' ? 'this is not the state of a run' : wrongField(field, issue.input))
}

/** What a field is, in words of our own. */
const EXPECTED: Readonly<Record<keyof v.InferOutput<typeof schema>, string>> = {
  format: 'the number 2',
  step: 'a whole number from 1',
  loss: 'a number or null',
  best: 'the loss and the step of an evaluation, or null',
  stale: 'a whole number from 0',
  watchdog: 'a whole number from 0',
  settings: 'a mapping',
  parts: 'a mapping',
  base: 'the SHA-256 of each file of the base model, or null',
  plugins: 'a list of plugins, each with name, version, module and integrity',
  files: 'the SHA-256 of each file of the checkpoint',
  self: 'the SHA-256 of everything else in the file',
}

function wrongField(field: string, value: unknown): string {
  const [top] = field.split('.')
  const expected = Object.entries(EXPECTED).find(([name]) => name === top)?.[1] ?? 'something else'
  const what = field === top ? expected : `${top} to be ${expected}`
  return value === undefined
    ? `${field} is missing: expected ${what}`
    : `${field}: expected ${what}, got ${showValue(value)}`
}

function checkFiles(folder: string, files: BaseFiles): void {
  for (const [name, hash] of Object.entries(files)) {
    const path = join(folder, name)
    if (relative(folder, path).startsWith('..')) throw damaged(folder, `"${name}" is not a file of it`)
    if (!existsSync(path)) throw damaged(folder, `${name} is missing`)
    if (sha256OfFile(path) !== hash) throw damaged(path, 'the file is not as it was written')
  }
}

function checkBase(place: string, base: BaseFiles | null, run: RunIdentity): void {
  if (base === null) return
  const now = run.base()
  const names = new Set([...Object.keys(base), ...Object.keys(now)])
  const other = [...names].filter((name) => base[name] !== now[name])
  if (other.length === 0) return
  throw new TrituneError('E_RESUME', `the base model changed since the checkpoint: ${other.join(', ')}`, {
    place,
    remedy: 'take the base model that the run began with (revision_of_model), or start a new run',
  })
}

function damaged(place: string, what: string): TrituneError {
  return new TrituneError('E_RESUME', `the checkpoint is damaged: ${what}`, {
    place,
    remedy: 'resume from an older checkpoint with resume_from_checkpoint',
  })
}

/** Relative paths of all files of a folder, with `/` on every system: a checkpoint may go on on another one. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => name.replaceAll(sep, '/'))
    .toSorted()
}
