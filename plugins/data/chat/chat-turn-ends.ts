/** The tokens that end a turn (EOS, EOT), trained as `train_on_eos` and `train_on_eot` say. */
import { TrituneError } from '../../../core/mod.ts'
import type { CharSpan, TokenizerLike } from '../../../core/mod.ts'
import type { TrainOnEos } from '../options/dataset-words.ts'
import type { TokenizeContext } from '../types/dataset-type.ts'

/** How many tokens after the end of a turn its EOS may come, as in axolotl. */
const EOS_REACH = 3

/** A turn as a span of tokens. */
export interface TokenTurn extends CharSpan {
  readonly isTrained: boolean
}

/** Writes into `labels`. `turns` are in the order of the text. */
export function labelTurnEnds(
  ids: readonly number[],
  labels: Int32Array,
  turns: readonly TokenTurn[],
  context: TokenizeContext,
): void {
  const { tokenizer, options, eotTokens } = context
  const eos = tokenizer.eosId === null ? [] : [tokenizer.eosId]
  const kinds: { ends: readonly number[]; when: TrainOnEos }[] = [{ ends: eos, when: options.train_on_eos }]
  const eot = eotTokens === null ? eos : eotTokens.map((token) => singleToken(tokenizer, token))
  kinds.push({ ends: eot, when: options.train_on_eot ?? options.train_on_eos })
  let isEndTrained = false
  for (const { ends, when } of kinds) {
    let last = -1
    turns.forEach((turn, order) => {
      if (!turn.isTrained && when !== 'all') return
      const limit = Math.min(turn.end + EOS_REACH + 1, turns[order + 1]?.start ?? ids.length, ids.length)
      for (let i = turn.end; i < limit; i++) {
        if (!ends.includes(ids[i])) continue
        last = i
        if (turn.isTrained) isEndTrained = true
        if (when === 'all' || (when === 'turn' && turn.isTrained)) labels[i] = ids[i]
        break
      }
    })
    if (when === 'last' && last >= 0) labels[last] = ids[last]
  }
  if (
    !isEndTrained &&
    turns.some(({ isTrained }) => isTrained) &&
    kinds.some(({ when }) => when !== 'none')
  ) {
    context.note(
      'the chat template does not end the trained turns with the EOS token, so nothing teaches the model to stop; ' +
        'set eot_tokens to the token that ends a turn',
    )
  }
}

function singleToken(tokenizer: TokenizerLike, token: string): number {
  const ids = tokenizer.encode(token, { addSpecialTokens: false })
  if (ids.length === 1) return ids[0]
  throw new TrituneError('E_CONFIG', `"${token}" is not one token but ${ids.length}`, { place: 'eot_tokens' })
}
