/**
 * The body of finetune.ts, loaded only when there is something to do, so that --help is instant.
 */
import { colourTokens, IGNORE } from '../plugins/data/mod.ts'
import {
  createProgress,
  createSummary,
  type FinetuneConfig,
  formatBytes,
  placeInConfig,
  prepareRun,
  readFinetuneConfig,
  type Resume,
  type Run,
  summarize,
  train,
} from '../plugins/finetune/mod.ts'

export interface FinetuneCommand {
  readonly file: string
  readonly text: string
  readonly overrides: readonly string[]
  readonly resume: boolean
  readonly dryRun: boolean
}

export async function finetuneCommand({
  file,
  text,
  overrides,
  resume,
  dryRun,
}: FinetuneCommand): Promise<void> {
  const config = readFinetuneConfig(text, file, { overrides })
  const write = (line: string): void => void process.stdout.write(line)
  const terminal = process.stdout.isTTY === true
  using run = await prepareRun(config, { onDownload: downloadProgress(terminal) }).catch((error: unknown) => {
    throw placeInConfig(error, text, file, { overrides })
  })
  if (dryRun) {
    for (const line of summarize(run)) write(`${line}\n`)
    showExamples(run, terminal)
    return
  }
  const stop = stopOnSignals()
  const result = await train(run, {
    monitors: [
      createSummary({ write }),
      createProgress({ loggingSteps: config.logging_steps, terminal, write }),
    ],
    signal: stop.signal,
    resume: resumeOf(config, resume),
  })
  stop[Symbol.dispose]()
  if (result.stopped) {
    const again = [
      'bun run finetune',
      quoted(file),
      ...overrides.map((set) => `--set ${quoted(set)}`),
      '--resume',
    ]
    write(`stopped at step ${result.steps}; resume with:\n  ${again.join(' ')}\n`)
    process.exitCode = 130
    return
  }
  write(
    `${run.adapter ? 'adapter' : 'model'} in ${result.outputDir} (${describeMemory(run)})\ntry it:\n  ${tryCommand(run)}\n`,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function describeMemory({ device }: Run): string {
  const { live, pooled, peak } = device.memory()
  if (device.kind !== 'cuda') return `peak memory ${formatBytes(peak)} of tensors`
  return `GPU memory: peak ${formatBytes(peak)}, now ${formatBytes(live)} in use and ${formatBytes(pooled)} pooled`
}

function resumeOf(
  { resume_from_checkpoint, auto_resume_from_checkpoints }: FinetuneConfig,
  asked: boolean,
): Resume {
  if (resume_from_checkpoint !== null) return { folder: resume_from_checkpoint }
  if (asked) return 'newest'
  return auto_resume_from_checkpoints ? 'newest-if-any' : false
}

/** A prompt in the form that was trained: a chat message, the masked part of the first example, or its first words. */
function tryCommand({ adapter, config, data, tokenizer }: Run): string {
  const model = adapter
    ? `${quoted(config.base_model)} --adapter ${quoted(config.output_dir)}`
    : quoted(config.output_dir)
  const plugins = config.plugins.map((module) => ` --plugin ${quoted(module)}`).join('')
  const chat = config.datasets.some(({ type }) => type === 'chat_template' || type === 'sharegpt')
  const { ids, labels } = data.train[0]
  const masked = labels.findIndex((label) => label !== IGNORE)
  const opening = tokenizer.decode([...ids.subarray(0, masked > 0 ? masked : 8)])
  return `bun run generate ${model}${plugins} ${chat ? '--chat --prompt "Hello"' : `--prompt ${quoted(opening)}`}`
}

/** As a shell reads it: `$'…'` where there are line breaks or quotes. */
function quoted(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text
  if (!/[\n'\\]/.test(text)) return `'${text}'`
  return `$'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`
}

function showExamples(run: Run, colour: boolean): void {
  const examples = run.data.train.slice(0, 3)
  process.stdout.write(
    colour
      ? '\nexamples: trained tokens are coloured, masked ones are grey\n'
      : '\nexamples: trained tokens stand in «…»\n',
  )
  for (const example of examples) {
    process.stdout.write(
      `\n${example.source.file}:${example.source.line}\n${colourTokens(example, run.tokenizer, { colour })}\n`,
    )
  }
}

/** The first SIGINT or SIGTERM asks for a clean stop; the second one ends the process as usual. */
function stopOnSignals(): { readonly signal: AbortSignal; [Symbol.dispose](): void } {
  const controller = new AbortController()
  const names = ['SIGINT', 'SIGTERM'] as const
  const onSignal = (): void => {
    process.stderr.write('\nstopping after this step; once more to stop at once\n')
    controller.abort()
    release()
  }
  const release = (): void => {
    for (const name of names) process.off(name, onSignal)
  }
  for (const name of names) process.on(name, onSignal)
  return { signal: controller.signal, [Symbol.dispose]: release }
}

function downloadProgress(
  terminal: boolean,
): (progress: { file: string; received: number; total: number }) => void {
  let last = ''
  return ({ file, received, total }) => {
    const percent = total > 0 ? Math.floor((100 * received) / total) : 100
    const text = `downloading ${file} ${terminal || percent === 100 ? `${percent} %` : ''}`
    if (text === last || (!terminal && percent < 100)) return
    last = text
    process.stderr.write(terminal ? `\r\u001b[K${text}${percent === 100 ? '\n' : ''}` : `${text}\n`)
  }
}
