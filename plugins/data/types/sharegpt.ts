/**
 * `type: sharegpt`: {conversations: [{from, value}]}, the old name for `chat_template` with these keys.
 */
import { tokenizeChat } from '../chat/chat-template.ts'
import type { DatasetType } from './dataset-type.ts'

/** The dataset type `sharegpt`: records `{ conversations: [{ from, value }] }`; otherwise as `chat_template`. */
export const sharegpt: DatasetType = {
  name: 'sharegpt',
  tokenize(record, context) {
    const { options } = context
    const mappings = { role: 'from', content: 'value', ...options.message_property_mappings }
    return tokenizeChat(
      record,
      { ...context, options: { ...options, message_property_mappings: mappings } },
      'conversations',
    )
  },
}
