/**
 * The body of finetune.ts, loaded only when there is something to do, so that --help is instant.
 */
import { colourTokens, IGNORE } from '../plugins/data/mod.ts'
import {
  atKeyAsync,
  besideOthers,
  createProgress,
  createSummary,
  type FinetuneConfig,
  findEarlierRun,
  fitLine,
  formatBytes,
  lockOutputDir,
  modulesToLoad,
  placeInConfig,
  prepareRun,
  readFinetuneConfig,
  refuseEarlierRun,
  removeEarlierRun,
  type Resume,
  type Run,
  summarize,
  train,
  withOtherFaults,
} from '../plugins/finetune/mod.ts'
import { counted } from '../core/counted.ts'
import { TrituneError } from '../core/errors.ts'
import { stopOnSignals } from './_stop-signals.ts'
import { err, out } from './_streams.ts'

export interface FinetuneCommand {
  readonly file: string
  readonly text: string
  readonly overrides: readonly string[]
  readonly resume: boolean
  /** Removes an earlier run of `output_dir` before the first step. */
  readonly overwrite: boolean
  readonly dryRun: boolean
}

export async function finetuneCommand(command: FinetuneCommand): Promise<void> {
  const { file, text, overrides, dryRun } = command
  const config = await readConfig(command)
  const inFile = (error: unknown): unknown => placeInConfig(error, text, file, { overrides })
  using lock = dryRun
    ? null
    : await takeOutputDir(config).catch((error: unknown) => Promise.reject(inFile(error)))
  const resume = lock ? startOf(config, command) : false
  if (resume === 'finished') return
  using run = await prepareRun(config, { onDownload: downloadProgress(), onNote }).catch((error: unknown) => {
    throw inFile(error)
  })
  if (!lock) {
    for (const line of summarize(run)) out.write(`${line}\n`)
    showExamples(run)
    return
  }
  if (command.overwrite) removeEarlierRun(config.output_dir)
  await trainAndTell(run, { ...command, resume, lock })
}

interface Training extends Pick<FinetuneCommand, 'file' | 'overrides'> {
  readonly resume: Resume
  readonly lock: Disposable
}

async function trainAndTell(run: Run, { file, overrides, resume, lock }: Training): Promise<void> {
  const { write, terminal, columns } = out
  const { logging_steps: loggingSteps } = run.config
  using stop = await stopOnSignals()
  // Given back while signals are still heard, so that one at the very end leaves nothing behind.
  using _held = lock
  const result = await train(run, {
    monitors: [createSummary({ write }), createProgress({ loggingSteps, terminal, columns, write })],
    onEvent: stop.check,
    signal: stop.signal,
    resume,
    lock,
  })
  if (result.stopped) {
    const again = [
      'bun run finetune',
      quoted(file),
      ...overrides.map((set) => `--set ${quoted(set)}`),
      '--resume',
    ]
    out.write(`stopped at step ${result.steps}; resume with:\n  ${again.join(' ')}\n`)
    process.exitCode = stop.exitCode()
    return
  }
  out.write(
    `${run.adapter ? 'adapter' : 'model'} in ${result.outputDir} (${describeMemory(run)})\ntry it:\n  ${tryCommand(run)}\n`,
  )
}

/** A file that is refused is told with all that can be known of its other lines. */
async function readConfig({ text, file, overrides }: FinetuneCommand): Promise<FinetuneConfig> {
  try {
    return readFinetuneConfig(text, file, { overrides })
  } catch (error) {
    throw await withOtherFaults(error, text, file, { overrides })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function describeMemory({ device }: Run): string {
  const { live, pooled, peak } = device.memory()
  if (device.kind !== 'cuda') return `peak memory ${formatBytes(peak)} of tensors`
  return `GPU memory: peak ${formatBytes(peak)}, now ${formatBytes(live)} in use and ${formatBytes(pooled)} pooled`
}

/** Where the folder cannot be had, what else is wrong with the file is told with it. */
async function takeOutputDir(config: FinetuneConfig): Promise<Disposable> {
  const key = 'output_dir'
  try {
    return await atKeyAsync([key], () => lockOutputDir(config.output_dir))
  } catch (error) {
    const isBusy = error instanceof TrituneError && error.code === 'E_BUSY'
    throw isBusy ? error : await besideOthers(error, config, new Set([key]))
  }
}

/** How to start, decided before anything is loaded. `finished`: there is nothing to continue, which was told. */
function startOf(config: FinetuneConfig, { resume: asked, overwrite }: FinetuneCommand): Resume | 'finished' {
  const { output_dir: outputDir, resume_from_checkpoint: folder, auto_resume_from_checkpoints: auto } = config
  if (overwrite) {
    if (!asked && folder === null) return false
    throw new TrituneError('E_USAGE', '--overwrite starts anew, and the run is asked to resume', {
      remedy: 'leave out one of them',
    })
  }
  if (folder !== null) return { folder }
  const resume: Resume = asked ? 'newest' : auto ? 'newest-if-any' : false
  if (resume === false) {
    refuseEarlierRun(outputDir)
    return false
  }
  const { finished, steps, newest, started } = findEarlierRun(outputDir)
  if (finished) {
    const after = steps === null ? '' : ` after ${counted(steps, 'step')}`
    out.write(`the run in ${outputDir} is finished${after}: nothing to resume; --overwrite trains it again\n`)
    return 'finished'
  }
  if (newest === null && resume === 'newest') {
    throw new TrituneError('E_RESUME', 'there is no checkpoint to resume from', {
      place: outputDir,
      remedy: 'start without --resume',
    })
  }
  if (newest === null)
    out.write(
      `no checkpoint in ${outputDir}: ${started ? 'an earlier run saved none; ' : ''}starting at step 0\n`,
    )
  return resume
}

/** A prompt in the form that was trained: a chat message, the masked part of the first example, or its first words. */
function tryCommand({ adapter, config, data, tokenizer, plugins: loaded, model: { info } }: Run): string {
  const model = adapter
    ? `${quoted(config.base_model)} --adapter ${quoted(config.output_dir)}`
    : quoted(config.output_dir)
  const made = { adapter: adapter ? config.adapter : null, modelType: info.type }
  const plugins = modulesToLoad(loaded, made)
    .map((module) => ` --plugin ${quoted(module)}`)
    .join('')
  const chat = config.datasets.some(({ type }) => type === 'chat_template' || type === 'sharegpt')
  const { ids, labels } = data.train[0]
  const masked = labels.findIndex((label) => label !== IGNORE)
  const start = ids.subarray(0, masked > 0 ? masked : 8)
  const opening = tokenizer.inner.decode(start, { skipSpecialTokens: true }) || 'Once upon a time'
  return `bun run generate ${model}${plugins} ${chat ? '--chat --prompt "Hello"' : `--prompt ${quoted(opening)}`}`
}

/** As a shell reads it: `$'…'` where there are line breaks or quotes. */
function quoted(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text
  if (!/[\n'\\]/.test(text)) return `'${text}'`
  return `$'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`
}

function showExamples(run: Run): void {
  const examples = run.data.train.slice(0, 3)
  const { colour } = out
  out.write(
    colour
      ? '\nexamples: trained tokens are coloured, masked ones are grey\n'
      : '\nexamples: trained tokens stand in «…»\n',
  )
  for (const example of examples) {
    out.write(
      `\n${example.source.file}:${example.source.line}\n${colourTokens(example, run.tokenizer, { colour })}\n`,
    )
  }
}

function onNote(text: string): void {
  err.write(`${text}\n`)
}

function downloadProgress(): (progress: { file: string; received: number; total: number }) => void {
  let last = ''
  return ({ file, received, total }) => {
    const percent = total > 0 ? Math.floor((100 * received) / total) : 100
    const { terminal } = err
    const text = `downloading ${file} ${terminal || percent === 100 ? `${percent} %` : ''}`
    if (text === last || (!terminal && percent < 100)) return
    last = text
    const line = fitLine(['downloading', file, `${percent} %`], err.columns(), { elide: 1 })
    err.write(terminal ? `\r\u001b[K${line}${percent === 100 ? '\n' : ''}` : `${text}\n`)
  }
}
