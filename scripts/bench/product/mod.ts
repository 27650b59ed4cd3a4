/**
 * What somebody who uses tritune sees: how fast a model writes and reads prompts, beside llama.cpp on the same weights, and what watching runs costs.
 */
import type { Topic } from '../_topic.ts'
import { runsTopic } from './runs.ts'
import { writingRows } from './writing.ts'

export const product: Topic = {
  name: 'product',
  async run(context) {
    const watching = await runsTopic.run(context)
    // Rows of these alone need no model.
    if (context.only !== null && watching.length > 0) return watching
    return [...watching, ...(await writingRows(context))]
  },
}
