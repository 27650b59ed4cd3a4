/**
 * The objective `distillation`: a model learns what a larger one predicts at each trained token (Hinton et al. 2015, arXiv 1503.02531), beside
 * the token itself:  kd_alpha·T²·KL(teacher ‖ student) + kd_ce_alpha·cross-entropy,  both sides over logits / T.
 *
 * `kd_beta` as in axolotl: 0 is the forward KL, 1 the reverse one, between them the generalized Jensen–Shannon divergence. The whole vocabulary
 * counts; rows of logits are held for a few tokens at once.
 */
import {
  add,
  affine,
  type AuxiliaryLoss,
  amax,
  cast,
  decimal,
  defineOptions,
  exp,
  greater,
  headCrossEntropy,
  headLogits,
  headRows,
  log,
  type Model,
  mul,
  noGrad,
  type Objective,
  type ObjectiveDefinition,
  optional,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  text,
  TrituneError,
  withAuxiliary,
  withNoise,
} from '../../../core/mod.ts'
import { prepared } from '../answers/reference-log-probs.ts'

/** Options of `distillation`. */
export interface DistillationOptions {
  /** Folder or .gguf file of the larger model, or its name on the hub; it has the same tokenizer. */
  readonly teacher: string
  readonly temperature: number
  /** Weight of the divergence. */
  readonly alpha: number
  /** Weight of the cross-entropy. */
  readonly ce_alpha: number
  /** 0: KL(teacher ‖ student); 1: KL(student ‖ teacher); between them a mixture. */
  readonly beta: number
}

/** The objective `distillation`: single documents, and a larger model whose predictions are learned. */
export const distillation: ObjectiveDefinition<DistillationOptions> = {
  name: 'distillation',
  options: defineOptions<DistillationOptions>(
    {
      teacher: text('the folder or .gguf file of a larger model, or its name on the hub'),
      temperature: optional(decimal({ above: 0 }), 1),
      alpha: optional(decimal({ min: 0 }), 0.5),
      ce_alpha: optional(decimal({ min: 0 }), 0.5),
      beta: optional(decimal({ min: 0, max: 1 }), 0),
    },
    [
      ({ alpha, ce_alpha }) =>
        alpha === 0 && ce_alpha === 0
          ? { path: ['alpha'], what: 'and ce_alpha are both 0: nothing is learned' }
          : undefined,
    ],
  ),
  create: createDistillation,
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function createDistillation(options: DistillationOptions): Objective {
  const { alpha, ce_alpha: ceAlpha } = options
  let teacher: Model | null = null
  const close = (): void => {
    teacher?.[Symbol.dispose]()
    teacher = null
  }
  return {
    name: 'distillation',
    prepare({ model, openModel }) {
      close()
      teacher = openModel(options.teacher)
      expectSameVocabulary(model, teacher, options.teacher)
      return []
    },
    loss(model, { tokens, targets, trainedTokens }, { scale, checkpointing }) {
      const larger = prepared(teacher, 'distillation')
      const auxiliary = new Map<string, AuxiliaryLoss>()
      const hidden = model.hidden(tokens, { checkpointing, auxiliary })
      const taught = noGrad(() => withNoise(null, () => larger.hidden(tokens)))
      const parts: Record<string, Tensor> = {}
      if (alpha > 0)
        parts.kd_loss = divergence({ model, hidden }, { model: larger, hidden: taught }, targets, {
          ...options,
          scale,
        })
      if (ceAlpha > 0) parts.ce_loss = headCrossEntropy(model.head, hidden, targets, { scale })
      const { kd_loss: kd, ce_loss: ce } = parts
      const weighted = [
        ...(kd ? [affine(kd, { scale: alpha })] : []),
        ...(ce ? [affine(ce, { scale: ceAlpha })] : []),
      ]
      const loss = weighted.reduce((total, one) => add(total, one))
      return withAuxiliary({ loss, log: parts }, auxiliary, trainedTokens * scale)
    },
    [Symbol.dispose]: close,
  }
}

interface Side {
  readonly model: Model
  /** (T, C) */
  readonly hidden: Tensor
}

/** scale·T²·Σ divergence of the trained tokens. */
function divergence(
  student: Side,
  teacher: Side,
  targets: Tensor,
  {
    temperature,
    beta,
    scale,
  }: Pick<DistillationOptions, 'temperature' | 'beta'> & { readonly scale: number },
): Tensor {
  const vocabulary = Math.min(student.model.head.outputs, teacher.model.head.outputs)
  const cooled = (logits: Tensor): Tensor => {
    const shared = logits.shape[1] === vocabulary ? logits : slice(logits, { axis: 1, end: vocabulary })
    return logSoftmax(affine(shared, { scale: 1 / temperature }))
  }
  const sums = headRows(student.model.head, student.hidden, (logits, start) => {
    const rows = logits.shape[0]
    const [wanted, counts] = noGrad(() => [
      cooled(headLogits(teacher.model.head, slice(teacher.hidden, { start, end: start + rows }))),
      trainedRows(targets.rowsView(start, rows)),
    ])
    return sum(mul(sum(apart(cooled(logits), wanted, beta), { axis: 1, keepDims: true }), counts))
  })
  const total = sums.reduce((all, one) => add(all, one))
  return affine(total, { scale: scale * temperature ** 2 })
}

/** (rows, 1): 1 where a token is trained. */
function trainedRows(targets: Tensor): Tensor {
  return greater(reshape(cast(targets, 'f32'), [targets.size, 1]), -0.5)
}

/** (rows, V): terms of the divergence of two log-probabilities. */
function apart(student: Tensor, teacher: Tensor, beta: number): Tensor {
  if (beta === 0)
    return mul(
      noGrad(() => exp(teacher)),
      sub(teacher, student),
    )
  if (beta === 1) return mul(exp(student), sub(student, teacher))
  const [ours, theirs] = [exp(student), noGrad(() => exp(teacher))]
  const between = log(add(affine(ours, { scale: 1 - beta }), affine(theirs, { scale: beta })))
  return add(
    affine(mul(theirs, sub(teacher, between)), { scale: beta }),
    affine(mul(ours, sub(student, between)), { scale: 1 - beta }),
  )
}

function logSoftmax(logits: Tensor): Tensor {
  const largest = noGrad(() => amax(logits, { axis: 1, keepDims: true }))
  const shifted = sub(logits, largest)
  return sub(shifted, log(sum(exp(shifted), { axis: 1, keepDims: true })))
}

/**
 * Whether predictions of two models can be compared token by token; `place` names the teacher. Tables of models of one family are padded to different
 * lengths; the ids beyond the shorter one are never used. E_CONFIG.
 */
export function expectSameVocabulary(model: Model, teacher: Model, place: string): void {
  const [ours, theirs] = [model.info.vocabSize, teacher.info.vocabSize]
  if (Math.abs(ours - theirs) <= PADDING) return
  throw new TrituneError(
    'E_CONFIG',
    `the teacher has ${theirs} token ids and the model ${ours}: their vocabularies differ`,
    {
      place,
      remedy:
        'distillation compares predictions token by token: take a teacher with the tokenizer of the model',
    },
  )
}

const PADDING = 1024
