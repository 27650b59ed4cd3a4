/** Chat templates of Cohere: Aya and Command R. */

/** Roles alternate; a system message comes first where there is one. */
export const COHERE: string = String.raw`
{{- bos_token }}
{%- macro turn(mark, text) %}{{- '<|START_OF_TURN_TOKEN|><|' + mark + '_TOKEN|>' + text + '<|END_OF_TURN_TOKEN|>' }}{%- endmacro %}
{%- set given = messages[0].role == 'system' %}
{%- if given %}{{- turn('SYSTEM', messages[0].content) }}{%- endif %}
{%- for message in (messages[1:] if given else messages) %}
  {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
    {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
  {%- endif %}
  {%- if message.role == 'user' %}{{- turn('USER', message.content.strip()) }}
  {%- elif message.role == 'assistant' %}{{- turn('CHATBOT', message.content.strip()) }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{%- endif %}`
