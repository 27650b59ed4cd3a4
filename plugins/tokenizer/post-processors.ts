/**
 * `post_processor` of tokenizer.json: puts special tokens around a text. Pairs of texts are not encoded here.
 */
import { type Part, byType } from './part.ts'

/** The ids of a text, which earlier processors may have cut into several lists. */
export type PostProcessor = (lists: readonly (readonly number[])[]) => readonly (readonly number[])[]

export function createPostProcessor(part: Part): PostProcessor {
  return byType(part, KINDS)
}

/** BOS before and EOS after the text, where they are wanted. */
export function aroundText(bos: number | undefined, eos: number | undefined): PostProcessor {
  return (lists) => [...(bos === undefined ? [] : [[bos]]), ...lists, ...(eos === undefined ? [] : [[eos]])]
}

const KINDS: Readonly<Record<string, (part: Part) => PostProcessor>> = {
  /** Trims offsets only. */
  ByteLevel: () => (lists) => lists,
  BertProcessing: betweenClsAndSep,
  RobertaProcessing: betweenClsAndSep,
  TemplateProcessing: template,
  Sequence(part) {
    const all = part.parts('processors').map(createPostProcessor)
    return (lists) => all.reduce((before, processor) => processor(before), lists)
  },
}

function betweenClsAndSep(part: Part): PostProcessor {
  const [cls, sep] = [tokenId(part, 'cls'), tokenId(part, 'sep')]
  return ([first = [], ...more]) => [[cls, ...first, sep], ...more.map((ids) => [...ids, sep])]
}

function tokenId(part: Part, key: string): number {
  const value = part.get(key)
  const id: unknown = Array.isArray(value) ? value[1] : undefined
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0) return id
  throw part.wrong(key, 'a token and its id')
}

type Piece = readonly number[] | 'A' | 'B'

function template(part: Part): PostProcessor {
  const tokens = part.part('special_tokens')
  const read = (key: string): Piece[] => part.parts(key).map((piece) => readPiece(piece, tokens))
  const [single, pair] = [read('single'), read('pair')]
  return (lists) => {
    if (lists.length < 1 || lists.length > 2)
      throw part.error(
        `the template is for one or two texts, and the processor before it gives ${lists.length}`,
      )
    const pieces = lists.length === 1 ? single : pair
    return pieces.map((piece) => (piece === 'A' ? lists[0] : piece === 'B' ? (lists[1] ?? []) : piece))
  }
}

function readPiece(piece: Part, tokens: Part): Piece {
  if (piece.get('Sequence') !== undefined) {
    const id = piece.part('Sequence').text('id')
    if (id === 'A' || id === 'B') return id
    throw piece.part('Sequence').wrong('id', 'A or B')
  }
  const name = piece.part('SpecialToken').text('id')
  if (tokens.get(name) === undefined)
    throw piece.error(`the special token ${JSON.stringify(name)} is not in "special_tokens"`)
  const ids = tokens.part(name).get('ids')
  if (Array.isArray(ids) && ids.every((id): id is number => Number.isInteger(id) && Number(id) >= 0))
    return ids
  throw tokens.part(name).wrong('ids', 'a list of ids')
}
