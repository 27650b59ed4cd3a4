/** Adapters in the files of mlx-lm. */
export { MLX_WEIGHTS } from './names.ts'
export { isMlxConfig, openMlxWeights, mlxFields } from './read-mlx.ts'
export { type PeftTensors, saveMlxAdapter, type SaveMlxOptions } from './save-mlx.ts'
