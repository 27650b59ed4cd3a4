/** Chat templates of Qwen 2.5, 3 and 3.5 (https://qwen.readthedocs.io/en/latest/getting_started/concepts.html). */

/** What the system message says of tools. */
const TOOLS = String.raw`
  {{- '# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' }}
  {{- 'You are provided with function signatures within <tools></tools> XML tags:\n<tools>' }}
  {%- for tool in tools %}{{- '\n' + tool | tojson }}{%- endfor %}
  {{- '\n</tools>\n\nFor each function call, return a json object with function name and arguments within ' }}
  {{- '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n' }}
  {{- '</tool_call><|im_end|>\n' }}`

/** Results of tools that follow each other are one turn of the user. */
const RESULT = String.raw`
  {%- elif message.role == 'tool' %}
    {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
    {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
    {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\n' }}{%- endif %}
  {%- endif %}
{%- endfor %}`

export const QWEN_25: string = String.raw`
{%- set system = messages[0].content if messages[0].role == 'system' else
  'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' %}
{{- '<|im_start|>system\n' + system }}
{%- if tools %}
  {{- '\n\n' }}${TOOLS}
{%- else %}{{- '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
  {%- if message.role == 'user' or (message.role == 'system' and not loop.first)
    or (message.role == 'assistant' and not message.tool_calls) %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
  {%- elif message.role == 'assistant' %}
    {{- '<|im_start|>assistant' + ('\n' + message.content if message.content else '') }}
    {%- for call in message.tool_calls %}
      {%- set called = call.function if call.function is defined else call %}
      {{- '\n<tool_call>\n{"name": "' + called.name + '", "arguments": ' + called.arguments | tojson + '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}${RESULT}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}`

/** Thoughts are written for what follows the last question, and for the last turn even where there are none. */
export const QWEN3: string = String.raw`
{%- set given = messages[0].role == 'system' %}
{%- if tools %}
  {{- '<|im_start|>system\n' + (messages[0].content + '\n\n' if given else '') }}${TOOLS}
{%- elif given %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set last = namespace(question=messages | length - 1, turn=messages | length - 1) %}
{%- if real_last_index is defined and real_last_index is not none %}{%- set last.turn = real_last_index %}{%- endif %}
{%- for message in messages %}
  {%- if message.role == 'user'
    and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
    {%- set last.question = loop.index0 %}
  {%- endif %}
{%- endfor %}
{%- for message in messages %}
  {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
  {%- elif message.role == 'assistant' %}
    {%- set content = message.content if message.content is string else '' %}
    {%- set thought = '' %}
    {%- if message.reasoning_content is string %}{%- set thought = message.reasoning_content %}
    {%- elif '</think>' in content %}
      {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
      {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {{- '<|im_start|>assistant\n' }}
    {%- if loop.index0 > last.question and (loop.index0 == last.turn or thought) %}
      {{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
    {%- else %}{{- content }}
    {%- endif %}
    {%- for call in message.tool_calls or [] %}
      {%- if not loop.first or content %}{{- '\n' }}{%- endif %}
      {%- set called = call.function if call.function else call %}
      {{- '<tool_call>\n{"name": "' + called.name + '", "arguments": ' }}
      {{- called.arguments if called.arguments is string else called.arguments | tojson }}
      {{- '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}${RESULT}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\n<think>\n\n' }}
  {%- if enable_thinking is defined and enable_thinking is false %}{{- '</think>\n\n' }}{%- endif %}
{%- endif %}`
