/** Chat templates of Meta's Llama 3 and 4 (https://www.llama.com/docs/model-cards-and-prompt-formats). */

export const LLAMA3: string = String.raw`
{%- for message in messages %}
  {%- if loop.first %}{{- bos_token }}{%- endif %}
  {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}`

/** Tools are told in the first message of the user; what they gave comes back as JSON. */
const TOOLS = String.raw`
{%- macro head(role) %}{{- marks[0] + role + marks[1] + '\n\n' }}{%- endmacro %}
{%- macro told(first) %}
  {{- head('user') }}
  {{- 'Given the following functions, please respond with a JSON for a function call ' }}
  {{- 'with its proper arguments that best answers the given prompt.\n\n' }}
  {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}
  {{- 'Do not use variables.\n\n' }}
  {%- for tool in tools %}{{- tool | tojson(indent=4) + '\n\n' }}{%- endfor %}
  {{- first.content | trim + marks[2] }}
{%- endmacro %}
{%- macro called(call) %}
  {{- '{"name": "' + call.function.name + '", "parameters": ' + call.function.arguments | tojson + '}' }}
{%- endmacro %}
{%- set rest = messages %}
{%- set system = '' %}
{%- if messages[0].role == 'system' %}
  {%- set system = messages[0].content | trim %}
  {%- set rest = messages[1:] %}
{%- endif %}
{%- set has_tools = tools is defined and tools is not none %}`

const FIRST = String.raw`
{%- if has_tools %}
  {%- if not rest %}
    {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
  {%- endif %}
  {{- told(rest[0]) }}
  {%- set rest = rest[1:] %}
{%- endif %}`

const RESULT = String.raw`
  {%- elif message.role in ['tool', 'ipython'] %}
    {{- head('ipython') + message.content | tojson + marks[2] }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- head('assistant') }}{%- endif %}`

/** Llama 3.2 Vision, for texts: the day stands in the system message, and a turn calls one tool. */
export const LLAMA3_2_VISION: string = String.raw`
{{- bos_token }}
{%- set marks = ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'] %}${TOOLS}
{{- head('system') }}
{%- if has_tools %}{{- 'Environment: ipython\n' }}{%- endif %}
{{- 'Cutting Knowledge Date: December 2023\nToday Date: ' }}
{{- date_string if date_string is defined else strftime_now('%d %b %Y') }}
{{- '\n\n' + system + marks[2] }}${FIRST}
{%- for message in rest %}
  {%- if message.role not in ['tool', 'ipython'] and 'tool_calls' not in message %}
    {{- head(message.role) + message.content + marks[2] }}
  {%- elif 'tool_calls' in message %}
    {%- if message.tool_calls | length != 1 %}
      {{- raise_exception('This model only supports single tool-calls at once!') }}
    {%- endif %}
    {{- head('assistant') + called(message.tool_calls[0]) + marks[2] }}${RESULT}`

export const LLAMA4: string = String.raw`
{{- bos_token }}
{%- set marks = ['<|header_start|>', '<|header_end|>', '<|eot|>'] %}${TOOLS}
{%- if messages[0].role == 'system' %}
  {{- head('system') }}
  {%- if has_tools %}{{- 'Environment: ipython\n' }}{%- endif %}
  {{- system + marks[2] }}
{%- endif %}${FIRST}
{%- for message in rest %}
  {%- if message.role not in ['tool', 'ipython'] and 'tool_calls' not in message %}
    {{- head(message.role) + message.content + marks[2] }}
  {%- elif 'tool_calls' in message and message.tool_calls | length > 0 %}
    {{- head('assistant') + '<|python_start|>' + message.content + '<|python_end|>' }}
    {%- for call in message.tool_calls %}{{- called(call) }}{%- endfor %}
    {{- marks[2] }}${RESULT}`
