/** Chat templates of Google's Gemma (https://ai.google.dev/gemma/docs/core/prompt-structure), for texts. */

const TURNS = String.raw`
{%- for message in turns %}
  {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
    {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
  {%- endif %}
  {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}
  {{- (system if loop.first else '') + message.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{%- endif %}`

/** Gemma 1 and 2, which know no system message. */
export const GEMMA: string = String.raw`
{{- bos_token }}
{%- if messages[0].role == 'system' %}{{- raise_exception('System role not supported') }}{%- endif %}
{%- set system = '' %}
{%- set turns = messages %}${TURNS}`

/** Gemma 3 and 3n: the system message stands in the first turn. */
export const GEMMA3: string = String.raw`
{{- bos_token }}
{%- set given = messages[0].role == 'system' %}
{%- set system = messages[0].content + '\n\n' if given else '' %}
{%- set turns = messages[1:] if given else messages %}${TURNS}`
