/**
 * Whether another model reads texts as the model of the run does: told by a few texts, not by comparing vocabularies, which may be padded.
 */
import { TrituneError } from '../../../core/mod.ts'
import { loadTokenizer, readTokenizerFiles } from '../../tokenizer/mod.ts'
import type { RunTokenizer } from './run-tokenizer.ts'

/** Two models whose predictions are compared token by token read texts as the same tokens. E_CONFIG at the folder or file of the other one. */
export function expectSameTokens(path: string, tokenizer: Pick<RunTokenizer, 'encode'>): void {
  const other = loadTokenizer(readTokenizerFiles(path))
  const isSame = PROBES.every((text) => {
    const [ours, theirs] = [tokenizer, other].map((one) => one.encode(text, { addSpecialTokens: false }))
    return ours.length === theirs.length && ours.every((id, i) => id === theirs[i])
  })
  if (isSame) return
  throw new TrituneError('E_CONFIG', 'the other model reads texts as other tokens than base_model', {
    place: path,
    remedy: 'take a model with the tokenizer of base_model',
  })
}

const PROBES = [
  'The quick brown fox jumps over the lazy dog, 1234567890 times.',
  'für naïve Köche: 12 % – ½ Liter; 你好，世界 🙂',
  'def f(x):\n    return [i ** 2 for i in range(x)]\n',
]
