/**
 * The merges that a SentencePiece BPE vocabulary implies. GGUF files store scores only; a BPE tokenizer wants merges in
 * order. Two pieces may merge when their concatenation is a piece; higher scores merge first.
 * As `generate_merges` of transformers, which made the tokenizer.json of Llama 2 and its kin.
 */

/** @returns merges, best first; ties go to longer left, then longer right sides (in code points), then vocabulary order */
export function sentencePieceMerges(
  vocab: ReadonlyMap<string, number>,
  scores: readonly number[],
): [left: string, right: string][] {
  const merges: Merge[] = []
  for (const [piece, id] of vocab) merges.push(...splitsOf(piece, scores[id] ?? 0, vocab))
  return merges
    .toSorted((a, b) => b.score - a.score || b.leftLength - a.leftLength || b.rightLength - a.rightLength)
    .map(({ left, right }) => [left, right])
}

interface Merge {
  readonly left: string
  readonly right: string
  readonly leftId: number
  readonly rightId: number
  readonly leftLength: number
  readonly rightLength: number
  readonly score: number
}

function splitsOf(piece: string, score: number, vocab: ReadonlyMap<string, number>): Merge[] {
  const points = Array.from(piece)
  const splits: Merge[] = []
  for (let cut = 1; cut < points.length; cut++) {
    const left = points.slice(0, cut).join('')
    const right = points.slice(cut).join('')
    const leftId = vocab.get(left)
    const rightId = vocab.get(right)
    if (leftId === undefined || rightId === undefined) continue
    splits.push({ left, right, leftId, rightId, leftLength: cut, rightLength: points.length - cut, score })
  }
  return splits.toSorted((a, b) => a.leftId - b.leftId || a.rightId - b.rightId)
}
