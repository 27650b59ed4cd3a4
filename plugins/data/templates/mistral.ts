/**
 * Chat templates of Mistral's models, by the version of their tokenizer (https://docs.mistral.ai/guides/tokenization). They differ in
 * where spaces stand and in which message of the user the system message and the tools go into.
 */

const OPENING = String.raw`
{%- set given = messages[0].role == 'system' %}
{%- set turns = messages[1:] if given else messages %}`

const ALTERNATE =
  "{{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}"
const ROLES =
  "{{- raise_exception('Only user and assistant roles are supported, with the exception of an initial optional system message!') }}"

export const MISTRAL_V1: string = String.raw`${OPENING}
{{- bos_token }}
{%- for message in turns %}
  {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}${ALTERNATE}{%- endif %}
  {%- if message.role == 'user' %}
    {{- ' [INST] ' + (messages[0].content + '\n\n' if given and loop.first else '') + message.content + ' [/INST]' }}
  {%- elif message.role == 'assistant' %}{{- ' ' + message.content + eos_token }}
  {%- else %}${ROLES}
  {%- endif %}
{%- endfor %}`

const IDS = String.raw`{{- raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}`

/** Tools stand before the last message of the user, the system message in the last message if that is the user's. */
function withTools(space: string, answer: string): string {
  return String.raw`${OPENING}
{%- set asked = turns | selectattr('role', 'equalto', 'user') | list %}
{%- set place = namespace(index=0) %}
{%- for message in turns %}
  {%- if message.role not in ['tool', 'tool_results'] and (message.tool_calls is not defined or message.tool_calls is none) %}
    {%- if (message.role == 'user') != (place.index % 2 == 0) %}${ALTERNATE}{%- endif %}
    {%- set place.index = place.index + 1 %}
  {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in turns %}
  {%- if message.role == 'user' %}
    {%- if tools is defined and tools is not none and message == asked[-1] %}
      {{- '[AVAILABLE_TOOLS]${space}[' }}
      {%- for tool in tools %}
        {{- '{"type": "function", "function": {' }}
        {%- for key, value in tool.function.items() if key != 'return' %}
          {{- '"' + key + '": ' + ('"' + value + '"' if value is string else value | tojson) }}
          {%- if not loop.last %}{{- ', ' }}{%- endif %}
        {%- endfor %}
        {{- '}}' + (']' if loop.last else ', ') }}
      {%- endfor %}
      {{- '[/AVAILABLE_TOOLS]' }}
    {%- endif %}
    {{- '[INST]${space}' + (messages[0].content + '\n\n' if given and loop.last else '') + message.content + '[/INST]' }}
  {%- elif message.tool_calls is defined and message.tool_calls is not none %}
    {{- '[TOOL_CALLS]${space}[' }}
    {%- for call in message.tool_calls %}
      {%- if call.id is not defined or call.id | length != 9 %}${IDS}{%- endif %}
      {{- (call.function | tojson)[:-1] + ', "id": "' + call.id + '"}' }}
      {{- ']' + eos_token if loop.last else ', ' }}
    {%- endfor %}
  {%- elif message.role == 'assistant' %}{{- ${answer} + eos_token }}
  {%- elif message.role in ['tool', 'tool_results'] %}
    {%- if message.tool_call_id is not defined or message.tool_call_id | length != 9 %}${IDS}{%- endif %}
    {{- '[TOOL_RESULTS]${space}{"content": ' + message.content | string + ', "call_id": "' + message.tool_call_id }}
    {{- '"}[/TOOL_RESULTS]' }}
  {%- else %}${ROLES}
  {%- endif %}
{%- endfor %}`
}

export const MISTRAL_V2V3: string = withTools(' ', "' ' + message.content | trim")
export const MISTRAL_V3_TEKKEN: string = withTools('', 'message.content')

/** Mistral Small 3: a system message of its own, with the day, where nothing else is said. */
export const MISTRAL_V7_TEKKEN: string = String.raw`
{%- macro system(text) %}{{- '[SYSTEM_PROMPT]' + text + '[/SYSTEM_PROMPT]' }}{%- endmacro %}
{%- set given = messages[0].role == 'system' %}
{{- bos_token }}
{%- if given %}{{- system(messages[0].content) }}
{%- else %}
  {%- set own %}
    {{- 'You are Mistral Small 3, a Large Language Model (LLM) created by Mistral AI, a French startup headquartered in Paris.\n' }}
    {{- 'Your knowledge base was last updated on 2023-10-01. The current date is ' + strftime_now('%Y-%m-%d') + '.\n\n' }}
    {{- "When you're not sure about some information, you say that you don't have the information and don't make up anything.\n" }}
    {{- "If the user's question is not clear, ambiguous, or does not provide enough context for you to accurately answer the " }}
    {{- 'question, you do not try to answer it right away and you rather ask the user to clarify their request (e.g. "What are ' }}
    {{- 'some good restaurants around me?" => "Where are you?" or "When is the next flight to Tokyo" => "Where do you travel from?")' }}
  {%- endset %}
  {{- system(own) }}
{%- endif %}
{%- for message in (messages[1:] if given else messages) %}
  {%- if message.role == 'user' %}{{- '[INST]' + message.content + '[/INST]' }}
  {%- elif message.role == 'system' %}{{- system(message.content) }}
  {%- elif message.role == 'assistant' %}{{- message.content + eos_token }}
  {%- else %}{{- raise_exception('Only user, system and assistant roles are supported!') }}
  {%- endif %}
{%- endfor %}`

/** Pixtral, for texts. */
export const PIXTRAL: string = String.raw`${OPENING}
{{- bos_token }}
{%- for message in turns %}
  {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}${ALTERNATE}{%- endif %}
  {%- if message.role == 'user' %}
    {{- '[INST]' + (messages[0].content + '\n\n' if given and loop.last else '') + message.content + '[/INST]' }}
  {%- elif message.role == 'assistant' %}{{- message.content + eos_token }}
  {%- else %}${ROLES}
  {%- endif %}
{%- endfor %}`
