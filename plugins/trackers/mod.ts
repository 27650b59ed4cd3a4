/**
 * Monitors that tell a run to others: TensorBoard's files, Weights & Biases, MLflow. See README.md.
 *
 * @module
 */
import { type Capabilities, definePlugin, type Plugin } from '../../core/mod.ts'
import { mlflow } from './mlflow/mlflow.ts'
import { tensorboard } from './tensorboard/tensorboard.ts'
import { wandb } from './wandb/wandb.ts'

export { hasMlflowServer, mlflow, type MlflowOptions } from './mlflow/mlflow.ts'
export { createEventFile, type EventFile, type EventHistogram } from './tensorboard/event-file.ts'
export { tensorboard, TENSORBOARD_FOLDER } from './tensorboard/tensorboard.ts'
export { hasWandbKey, wandb, type WandbOptions } from './wandb/wandb.ts'

/** The plugin of the trackers, as monitors by name: `tensorboard`, `wandb`, `mlflow`. */
export const trackers: Plugin & {
  readonly provides: {
    readonly monitor: Readonly<Record<'tensorboard' | 'wandb' | 'mlflow', Capabilities['monitor']>>
  }
} = /* @__PURE__ */ definePlugin({
  name: 'trackers',
  provides: { monitor: { tensorboard, wandb, mlflow } },
})
