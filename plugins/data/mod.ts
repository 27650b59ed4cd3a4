/** Datasets: files → records → token examples → batches. */
export { DATASET_TYPES, datasetOptions } from './dataset-options.ts'
export type { DatasetOptions, DatasetTypeName, TrainOnEos, UserDefinedType } from './dataset-options.ts'
