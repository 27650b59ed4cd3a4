/**
 * Compressed gradients with error feedback, and steps without a backward pass. See README.md.
 *
 * @module
 */
export { compareGradients, type GradientDifference, keptShare } from './compare-gradients.ts'
export type { CompressorOptions, GradientCompressor } from './compressor.ts'
export { type FeedbackCompressor, withErrorFeedback } from './error-feedback.ts'
export type { CodecSettings, GradientMessage } from './gradient-message.ts'
export {
  phaseTrainer,
  type PhaseStats,
  type PhaseStep,
  type PhaseStepInput,
  type PhaseTrainer,
  type PhaseTrainerOptions,
  type TrainingPhase,
} from './phase-trainer.ts'
export { ternaryCompressor } from './ternary-compressor.ts'
export { vsaCompressor, type VsaCompressorOptions } from './vsa-compressor.ts'
