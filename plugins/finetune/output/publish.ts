/**
 * Pushes a run to the hub, as `hub_model_id` and `hub_strategy` say: at its end, or also at each checkpoint, which the run
 * waits for. A push that fails is told and never ends a run: the files stay, and the result says what failed.
 */
import {
  cardFacts,
  factsOfFolder,
  modelCard,
  preparePush,
  pushFolder,
  type PushOptions,
} from '../../hub/mod.ts'
import { type RunResult, TrituneError } from '../../../core/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { Emit } from '../reports/monitors.ts'
import type { Run } from '../run.ts'
import { factsOfRun } from './run-facts.ts'

export interface Publisher {
  /** After a checkpoint. */
  saved(folder: string, so: Progress): Promise<void>
  /** After the output was written. */
  finished(so: Progress): Promise<void>
  /** The address, or why the newest push failed; null when there was none. */
  readonly outcome: RunResult['pushed']
}

type Progress = Pick<RunResult, 'loss' | 'best' | 'steps'>

export interface PublishOptions {
  readonly emit: Emit
  /** Stops an upload; what it would have replaced stays. */
  readonly signal?: AbortSignal
}

/** What is wrong with the token or the repository, before the first step. The repository is made. */
export async function checkPublishing(config: FinetuneConfig): Promise<void> {
  if (config.hub_model_id !== null) await preparePush(config.hub_model_id, optionsOf(config))
}

export function createPublisher(run: Run, { emit, signal }: PublishOptions): Publisher {
  const { hub_model_id: repo, hub_strategy: strategy, output_dir: outputDir } = run.config
  let outcome: RunResult['pushed'] = null

  const push = async (folder: string, so: Progress, more: PushOptions = {}): Promise<void> => {
    if (repo === null) return
    const kind = run.adapter ? 'adapter' : 'model'
    const facts = cardFacts(factsOfFolder(folder), factsOfRun(run, so))
    try {
      const { url, files, commit } = await pushFolder(folder, repo, {
        message: `Step ${so.steps}`,
        card: modelCard({ ...facts, kind, repo }),
        ...optionsOf(run.config),
        ...(signal ? { signal } : {}),
        onNote: (text) => emit({ type: 'note', text }),
        ...more,
      })
      outcome = { repo, url, error: null }
      emit({ type: 'note', text: `pushed ${files.length} files to ${url} (commit ${commit.slice(0, 8)})` })
    } catch (error) {
      if (!(error instanceof TrituneError)) throw error
      outcome = { repo, url: null, error: error.message }
      emit({ type: 'note', text: `not pushed: ${error.message}` })
    }
  }

  return {
    get outcome() {
      return outcome
    },
    async saved(folder, so) {
      if (strategy === 'end') return
      if (strategy !== 'all_checkpoints') await push(folder, so)
      const into = strategy === 'checkpoint' ? 'last-checkpoint' : `checkpoint-${so.steps}`
      if (strategy !== 'every_save')
        await push(folder, so, { into, withState: true, message: `Checkpoint ${so.steps}` })
    },
    finished: (so) => push(outputDir, so, { message: 'End of training' }),
  }
}

/** axolotl pushes to private repositories. */
function optionsOf({ hub_revision }: FinetuneConfig): PushOptions {
  return { private: true, ...(hub_revision === null ? {} : { revision: hub_revision }) }
}
