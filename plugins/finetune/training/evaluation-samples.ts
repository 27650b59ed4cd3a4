/**
 * Texts that the model writes at an evaluation: it goes on with the beginnings of some examples of the validation set (`generate_samples`), the same ones each
 * time, so that one sees what changes. They change nothing of the run.
 */
import { createRandom } from '../../../core/tensor/random.ts'
import { leadLength, type SampleEvent, withEvaluationWeights } from '../../../core/mod.ts'
import { generate } from '../../generate/mod.ts'
import type { Run } from '../run.ts'

type Sample = Pick<SampleEvent, 'prompt' | 'completion'>

/** Nothing where the file asks for none. The same for the same seed, step and weights. */
export function evaluationSamples(run: Run, step: number): Sample[] {
  const { config, data, optimizer } = run
  if (!config.generate_samples) return []
  return withEvaluationWeights(optimizer, () =>
    data.validation
      .slice(0, config.num_generation_samples)
      .map(({ ids }, i) => sampleOf(run, ids, { step, i })),
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function sampleOf(
  { config, model, tokenizer }: Run,
  ids: ArrayLike<number>,
  { step, i }: { readonly step: number; readonly i: number },
): Sample {
  const given = Math.max(1, Math.floor(ids.length * config.generation_prompt_ratio))
  // What the model can see at once is for both.
  const room = model.info.contextLength - leadLength(model) - 1
  const prompt = Array.from(ids).slice(0, Math.min(given, room))
  const maxNewTokens = Math.min(config.generation_max_new_tokens, room - prompt.length + 1)
  const completion = [
    ...generate(model, prompt, {
      maxNewTokens,
      temperature: config.generation_do_sample ? config.generation_temperature : 0,
      topK: config.generation_top_k ?? 0,
      topP: config.generation_top_p ?? 1,
      seed: createRandom(config.seed, `sample ${i} of step ${step}`).int(2 ** 31),
      stopIds: [...tokenizer.inner.eosIds],
    }),
  ]
  return { prompt: tokenizer.decode(prompt), completion: tokenizer.decode(completion) }
}
