/**
 * The keys by which a run is told to TensorBoard, Weights & Biases and MLflow, with axolotl's names: each becomes a monitor.
 *
 * As in axolotl, a project or an experiment that is named asks for its tracker. Where only that is said, and there is no key or no server, the run goes on without
 * and a note says so; `use_wandb: true` and `use_mlflow: true` insist.
 */
import { flag, nullable, type NullableField, oneOf, text } from '../../../core/contracts/config-fields.ts'
import { hasMlflowServer, hasWandbKey } from '../../trackers/mod.ts'
import type { Named } from './named.ts'

/** The keys, with null for what is not set. */
export interface TrackerKeys {
  readonly use_tensorboard: boolean | null
  readonly use_wandb: boolean | null
  readonly wandb_project: string | null
  readonly wandb_entity: string | null
  readonly wandb_name: string | null
  readonly wandb_run_id: string | null
  readonly wandb_mode: 'online' | 'offline' | 'disabled' | null
  readonly use_mlflow: boolean | null
  readonly mlflow_tracking_uri: string | null
  readonly mlflow_experiment_name: string | null
  readonly mlflow_run_name: string | null
}

/** The fields of the schema. */
export const trackerFields: {
  readonly [K in keyof TrackerKeys]: NullableField<NonNullable<TrackerKeys[K]>, TrackerKeys[K]>
} = {
  use_tensorboard: nullable(flag()),
  use_wandb: nullable(flag()),
  wandb_project: nullable(text('the name of a project')),
  wandb_entity: nullable(text('the name of a user or a team')),
  wandb_name: nullable(text('a name')),
  wandb_run_id: nullable(text('an id')),
  wandb_mode: nullable(oneOf(['online', 'offline', 'disabled'])),
  use_mlflow: nullable(flag()),
  mlflow_tracking_uri: nullable(text('the address of a server')),
  mlflow_experiment_name: nullable(text('a name')),
  mlflow_run_name: nullable(text('a name')),
}

/** A monitor that a key asks for. */
export interface AskedTracker extends Named {
  /** The key of the file that is to blame for the whole, and those of its options. */
  readonly key: string
  readonly keys: Readonly<Record<string, string>>
}

/** The monitors that the keys ask for. */
export function trackersOf(keys: TrackerKeys): AskedTracker[] {
  return [
    ...(keys.use_tensorboard === true
      ? [{ name: 'tensorboard', options: {}, key: 'use_tensorboard', keys: {} }]
      : []),
    ...(isTold(wandbAsked(keys)) ? [asked('wandb', 'use_wandb', keys)] : []),
    ...(isTold(mlflowAsked(keys)) ? [asked('mlflow', 'use_mlflow', keys)] : []),
  ]
}

/** What the keys ask for and is not done. */
export function trackerNotes(keys: TrackerKeys): string[] {
  const notes: string[] = []
  if (keys.wandb_mode === 'offline' && keys.use_wandb !== false && (keys.use_wandb || keys.wandb_project))
    notes.push('wandb_mode: offline: nothing is sent; metrics.jsonl in output_dir has every number')
  if (wandbAsked(keys) === 'without')
    notes.push(`wandb_project: WANDB_API_KEY is not set, so nothing is reported; ${EVERY}`)
  if (mlflowAsked(keys) === 'without')
    notes.push(`mlflow_experiment_name: there is no mlflow_tracking_uri, so nothing is reported; ${EVERY}`)
  return notes
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const EVERY = 'metrics.jsonl in output_dir has every number'

/** `yes`: the file insists; `named`: it names a project, and there is what is needed; `without`: there is not. */
type Asked = 'yes' | 'named' | 'without' | 'no'

function wandbAsked({ use_wandb: use, wandb_project: project, wandb_mode: mode }: TrackerKeys): Asked {
  if (use === false || mode === 'disabled' || mode === 'offline') return 'no'
  if (use === true) return 'yes'
  if (project === null) return 'no'
  return hasWandbKey() ? 'named' : 'without'
}

function mlflowAsked({
  use_mlflow: use,
  mlflow_experiment_name: experiment,
  mlflow_tracking_uri: address,
}: TrackerKeys): Asked {
  if (use === false) return 'no'
  if (use === true) return 'yes'
  if (experiment === null) return 'no'
  return address !== null || hasMlflowServer() ? 'named' : 'without'
}

function isTold(one: Asked): boolean {
  return one === 'yes' || one === 'named'
}

/** Option → key, by tracker. */
const OPTIONS = {
  wandb: { project: 'wandb_project', entity: 'wandb_entity', name: 'wandb_name', run_id: 'wandb_run_id' },
  mlflow: {
    tracking_uri: 'mlflow_tracking_uri',
    experiment_name: 'mlflow_experiment_name',
    run_name: 'mlflow_run_name',
  },
} as const satisfies Record<string, Readonly<Record<string, keyof TrackerKeys>>>

function asked(name: keyof typeof OPTIONS, key: string, values: TrackerKeys): AskedTracker {
  const keys: Readonly<Record<string, keyof TrackerKeys>> = OPTIONS[name]
  const options = Object.entries(keys).flatMap(([option, from]) =>
    values[from] === null ? [] : [[option, values[from]] as const],
  )
  return { name, options: Object.fromEntries(options), key, keys }
}
