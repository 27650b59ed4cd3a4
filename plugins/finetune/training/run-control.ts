/**
 * What others ask of a run while it goes (control.jsonl), answered between two steps: pause and go on, save, stop, another learning rate.
 *
 * Each request is answered by an event. While the run is paused nothing is computed, its memory stays, and it is asked for as before. Of the
 * processes of a job the first one looks, and all do the same.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ControlEvent, TrituneError, type World } from '../../../core/mod.ts'
import {
  type ControlAction,
  type ControlInbox,
  type ControlRequest,
  openControlInbox,
} from '../../runs/mod.ts'
import type { ProgressKeeper } from '../checkpoints/run-progress.ts'
import type { Emit } from '../reports/monitors.ts'
import type { RateControl } from './rate-control.ts'

/** What the loop asks between steps. */
export interface RunControl {
  /** Answers what was asked; waits while the run is paused. `saved`: the checkpoint of this step is there. */
  afterStep(saved: boolean): Promise<AfterControl>
  /** After the last step: what nobody can do any more is refused. */
  end(): void
}

/** How the loop goes on. */
export interface AfterControl {
  /** The run is to stop: somebody asked for it, or a signal reached one of its processes. */
  readonly stop: boolean
  /** The checkpoint of this step is there, as the run now is. */
  readonly saved: boolean
}

/** What is done with a run. */
export interface RunControlOptions {
  readonly outputDir: string
  /** The processes of the job; null: there is this one. */
  readonly world: World | null
  readonly keeper: Pick<ProgressKeeper, 'step' | 'save'>
  readonly rate: RateControl
  readonly emit: Emit
  readonly signal: AbortSignal | undefined
}

const POLL_MS = 100

/** Looks at what is asked from now on. */
export function createRunControl({
  outputDir,
  world,
  keeper,
  rate,
  emit,
  signal,
}: RunControlOptions): RunControl {
  const inbox = world === null ? openControlInbox(outputDir) : sharedInbox(outputDir, world)
  const now = { paused: false, stopping: false, saved: false }

  const answer = (id: string, action: string, outcome: Outcome): void =>
    emit({ type: 'control', step: keeper.step, id, action, ...outcome })

  const actions: Readonly<Record<Exclude<ControlAction, 'set_learning_rate'>, () => void>> = {
    pause: () => (now.paused = true),
    resume: () => (now.paused = false),
    stop: () => (now.stopping = true),
    save() {
      if (!now.saved) keeper.save()
      now.saved = true
    },
  }
  /** Why it is not done; null: it is. */
  const refusal = ({ action }: ControlRequest): string | null => {
    if (now.stopping) return 'the run is stopping'
    if (action === 'pause' && now.paused) return 'the run is paused already'
    if (action === 'resume' && !now.paused) return 'the run is not paused'
    return null
  }
  const perform = (request: ControlRequest): Outcome => {
    const reason = refusal(request)
    if (reason !== null) return { ok: false, reason }
    if (request.action !== 'set_learning_rate') {
      actions[request.action]()
      return { ok: true }
    }
    const { rate: before } = rate
    rate.set(request.value)
    // The checkpoint of this step would bring back the old one.
    if (now.saved) keeper.save()
    return { ok: true, value: request.value, before }
  }
  const take = (): void => {
    for (const request of inbox.take()) {
      const { id, action } = request
      if ('fault' in request) answer(id, action, { ok: false, reason: request.fault })
      else
        answer(
          id,
          action,
          kept(() => perform(request)),
        )
    }
  }
  const isAborted = (): boolean => anyOf(world, signal?.aborted === true)
  const waits = (): boolean => now.paused && !now.stopping && !isAborted()
  return {
    async afterStep(saved) {
      now.saved = saved
      take()
      while (waits()) {
        await sleep(POLL_MS)
        take()
      }
      return { stop: now.stopping || isAborted(), saved: now.saved }
    },
    end() {
      for (const { id, action } of inbox.take())
        answer(id, action, { ok: false, reason: 'the run has made its last step' })
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What the first process finds, on all of them. */
function sharedInbox(outputDir: string, world: World): ControlInbox {
  const own = world.rank === 0 ? openControlInbox(outputDir) : null
  return {
    take() {
      const [asked] = world.gather(own === null ? '' : JSON.stringify(own.take()))
      return JSON.parse(asked)
    },
  }
}

/** Whether it is so in any process: a signal may have reached one of them. */
function anyOf(world: World | null, own: boolean): boolean {
  return world === null ? own : world.gather(own ? 'yes' : '').includes('yes')
}

type Outcome = Pick<ControlEvent, 'ok' | 'reason' | 'value' | 'before'>

/** What cannot be done for want of space, say, is refused, and the run goes on. */
function kept(perform: () => Outcome): Outcome {
  try {
    return perform()
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    return { ok: false, reason: error.message }
  }
}
