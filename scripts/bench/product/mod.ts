/**
 * What somebody who uses a model sees: how fast it writes and reads prompts, beside llama.cpp on the same weights.
 */
import type { Topic } from '../_topic.ts'
import { writingRows } from './writing.ts'

export const product: Topic = {
  name: 'product',
  run: (context) => writingRows(context),
}
