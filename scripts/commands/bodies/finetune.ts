/**
 * The body of ../finetune.ts, loaded only when there is something to do, so that --help is instant.
 */
import {
  atKeyAsync,
  besideOthers,
  type FinetuneConfig,
  findEarlierRun,
  lockOutputDir,
  placeInConfig,
  prepareRun,
  readFinetuneConfig,
  refuseEarlierRun,
  removeEarlierRun,
  type Resume,
  type Run,
  train,
  withOtherFaults,
} from '../../../plugins/finetune/mod.ts'
import { createIndexMonitor } from '../../../plugins/runs/mod.ts'
import { availableParallelism } from 'node:os'
import { enduringWorld } from '../../../plugins/distributed/mod.ts'
import { counted } from '../../../core/counted.ts'
import { agreeAsync, decide } from '../../../core/agree.ts'
import { TrituneError } from '../../../core/errors.ts'
import type { World } from '../../../core/mod.ts'
import { invocation } from '../../../core/invocation.ts'
import { createJsonTeller } from '../../finetune/json-teller.ts'
import { inWorld } from '../../finetune/in-world.ts'
import { createSilentTeller } from '../../finetune/silent-teller.ts'
import type { Teller } from '../../finetune/teller.ts'
import { createTextTeller } from '../../finetune/text-teller.ts'
import { tryCommand } from '../../finetune/try-command.ts'
import { quoted } from '../../terminal/quoted.ts'
import { stopOnSignals } from '../../terminal/stop-signals.ts'
import { err } from '../../terminal/streams.ts'

export interface FinetuneCommand {
  readonly file: string
  readonly text: string
  readonly overrides: readonly string[]
  readonly resume: boolean
  /** Removes an earlier run of `output_dir` before the first step. */
  readonly overwrite: boolean
  readonly dryRun: boolean
  /** One JSON object per event on stdout. */
  readonly json: boolean
}

export async function finetuneCommand(command: FinetuneCommand): Promise<void> {
  await inWorld((world) => finetuneIn(world, command))
}

async function finetuneIn(joined: World | null, command: FinetuneCommand): Promise<void> {
  const { file, text, overrides, dryRun } = command
  const isFirst = joined === null || joined.rank === 0
  const teller = isFirst ? (command.json ? createJsonTeller() : createTextTeller()) : createSilentTeller()
  const config = shared(joined, await agreeAsync(joined, () => readConfig(command)))
  if (joined !== null && config.ddp_timeout !== null) joined.patience = 1000 * config.ddp_timeout
  const world =
    joined !== null && config.diloco?.when_cut === 'go_on'
      ? enduringWorld(joined, { onAlone: ({ what }) => teller.notice(`${what}; going on alone`) })
      : joined
  const inFile = (error: unknown): unknown => placeInConfig(error, text, file, { overrides })
  using lock = await agreeAsync(world, async () =>
    dryRun || !isFirst
      ? null
      : await takeOutputDir(config).catch((error: unknown) => Promise.reject(inFile(error))),
  )
  const resume = decide(world, () => (lock ? startOf(config, command, teller) : false))
  if (resume === 'finished') return teller.end(null)
  using run = await agreeAsync(
    world,
    async () =>
      await prepareRun(config, {
        world,
        startsAnew: command.overwrite,
        isTrial: dryRun,
        onDownload: teller.download,
        onTokenize: teller.tokenize,
        onNote: teller.notice,
      }).catch((error: unknown) => {
        throw inFile(error)
      }),
  )
  if (dryRun) {
    teller.plan(run)
    return teller.end(null)
  }
  if (command.overwrite && isFirst) removeEarlierRun(config.output_dir)
  await trainAndTell(run, { ...command, resume, lock, teller })
}

interface Training extends Pick<FinetuneCommand, 'file' | 'overrides'> {
  readonly resume: Resume
  /** Only the first process of a job has it. */
  readonly lock: Disposable | null
  readonly teller: Teller
}

async function trainAndTell(run: Run, { file, overrides, resume, lock, teller }: Training): Promise<void> {
  using stop = await stopOnSignals()
  // Given back while signals are still heard, so that one at the very end leaves nothing behind.
  using _held = lock
  const typed = [
    invocation('finetune'),
    quoted(file),
    ...overrides.map((set) => `--set ${quoted(set)}`),
  ].join(' ')
  const result = await train(run, {
    command: typed,
    monitors: [...teller.monitors(run), createIndexMonitor(run.config.output_dir)],
    onEvent: stop.check,
    signal: stop.signal,
    resume,
    ...(lock && { lock }),
  })
  teller.end({ run, result, command: result.stopped ? `${typed} --resume` : tryCommand(run) })
  // Who asked by control.jsonl got what he wanted.
  if (result.stopped) process.exitCode = stop.signal.aborted ? stop.exitCode() : 0
  else if (result.pushed !== null && result.pushed.error !== null) {
    const { repo, error } = result.pushed
    err.write(
      `the run is complete, its upload is not: ${error}\npush it with:\n  ${invocation(`push ${quoted(result.outputDir)} ${repo} --private`)}\n`,
    )
    process.exitCode = 1
  }
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

/** The processes of one machine share its cores. */
function shared(world: World | null, config: FinetuneConfig): FinetuneConfig {
  if (world === null || world.localSize === 1 || config.threads !== null) return config
  return { ...config, threads: Math.max(1, Math.floor(availableParallelism() / world.localSize)) }
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
function startOf(
  config: FinetuneConfig,
  { resume: asked, overwrite }: FinetuneCommand,
  { remark }: Teller,
): Resume | 'finished' {
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
    remark(`the run in ${outputDir} is finished${after}: nothing to resume; --overwrite trains it again`)
    return 'finished'
  }
  if (newest === null && resume === 'newest') {
    throw new TrituneError('E_RESUME', 'there is no checkpoint to resume from', {
      place: outputDir,
      remedy: 'start without --resume',
    })
  }
  if (newest === null)
    remark(`no checkpoint in ${outputDir}: ${started ? 'an earlier run saved none; ' : ''}starting at step 0`)
  return resume
}
