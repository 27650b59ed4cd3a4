/**
 * Compressed gradients with error feedback, and steps without a backward pass. See README.md.
 *
 * @module
 */
export { compareGradients, type GradientDifference, keptShare } from './compare-gradients.ts'
export type { GradientCompressor } from './codecs/compressor.ts'
export { CODEC_NAMES, type CodecOptions, createCompressor } from './codecs/create-compressor.ts'
export { denseCompressor } from './codecs/dense-compressor.ts'
export type { CodecName, CodecSettings, GradientMessage } from './codecs/gradient-message.ts'
export { integerCompressor, type IntegerCompressorOptions } from './codecs/integer-compressor.ts'
export { powersgdCompressor, type PowersgdCompressorOptions } from './codecs/powersgd-compressor.ts'
export { ternaryCompressor } from './codecs/ternary-compressor.ts'
export { topkSignCompressor, type TopkSignCompressorOptions } from './codecs/topk-sign-compressor.ts'
export type { CompressorOptions } from './codecs/trit-form.ts'
export { vsaCompressor, type VsaCompressorOptions } from './codecs/vsa-compressor.ts'
export {
  phaseTrainer,
  type PhaseStats,
  type PhaseStep,
  type PhaseStepInput,
  type PhaseTrainer,
  type PhaseTrainerOptions,
  type TrainingPhase,
} from './phases/phase-trainer.ts'
export { crc32c } from './wire/crc32c.ts'
export { type ReceivedUpdate, type UpdateCodec, updateCodec, type UpdatePlace } from './wire/update-codec.ts'
export {
  type LaidTensor,
  readInto,
  type UpdateLayout,
  updateLayout,
  writeFrom,
} from './wire/update-layout.ts'
export { type Compresses, type FeedbackCompressor, withErrorFeedback } from './workers/error-feedback.ts'
export { type LocalRounds, localRounds, type RoundSchedule, sentAfter } from './workers/local-rounds.ts'
export { localSteps, type LocalStepsOptions } from './workers/local-steps.ts'
export type { LocalRoundsOptions } from './workers/outer-step.ts'
export type { SendKind } from './workers/send-kind.ts'
export { type AccumulatorMemory, type TritAccumulator, tritAccumulator } from './workers/trit-accumulator.ts'
export { type TwoHopWorker, twoHopWorker } from './workers/two-hop-worker.ts'
export { updateMetrics, type UpdateStats, updateWarning } from './workers/update-stats.ts'
export { type UpdateWorker, updateWorker, type UpdateWorkerOptions } from './workers/update-worker.ts'
export type { Exchange, ExchangeWay } from './workers/worker-mean.ts'
