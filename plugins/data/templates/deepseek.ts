/** Chat templates of DeepSeek V2 and V3. */

export const DEEPSEEK_V2: string = String.raw`
{{- bos_token }}
{%- for message in messages %}
  {%- if message.role == 'user' %}{{- '<｜User｜>' + message.content }}
  {%- elif message.role == 'assistant' %}{{- '<｜Assistant｜>' + message.content + eos_token }}
  {%- elif message.role == 'system' %}{{- message.content + '\n\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<｜Assistant｜>' }}{%- endif %}`

const FENCE = '```'

/** System messages stand together at the start; an answer to results of tools has no mark of its own. */
export const DEEPSEEK_V3: string = String.raw`
{%- macro called(call) %}
  {{- '<｜tool▁call▁begin｜>' + call.type + '<｜tool▁sep｜>' + call.function.name + '\n${FENCE}json\n' }}
  {{- (call.function.arguments if call.function.arguments is string else call.function.arguments | tojson) }}
  {{- '\n${FENCE}<｜tool▁call▁end｜>' }}
{%- endmacro %}
{{- bos_token + messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | join('\n\n') }}
{%- set results = namespace(open=false) %}
{%- for message in messages %}
  {%- if message.role == 'tool' %}
    {%- if not results.open %}{{- '<｜tool▁outputs▁begin｜>' }}{%- endif %}
    {%- set results.open = true %}
    {{- '<｜tool▁output▁begin｜>' + message.content + '<｜tool▁output▁end｜>' }}
  {%- elif message.role == 'user' %}
    {%- set results.open = false %}
    {{- '<｜User｜>' + message.content }}
  {%- elif message.role == 'assistant' and 'tool_calls' in message %}
    {%- if results.open %}{{- '<｜tool▁outputs▁end｜>' }}{%- endif %}
    {%- set results.open = false %}
    {%- for call in message.tool_calls %}
      {%- if loop.first %}{{- '<｜Assistant｜>' + (message.content or '') + '<｜tool▁calls▁begin｜>' }}
      {%- else %}{{- '\n' }}
      {%- endif %}
      {{- called(call) }}
    {%- endfor %}
    {{- '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}
  {%- elif message.role == 'assistant' %}
    {%- set content = message.content or '' %}
    {%- if results.open %}{{- '<｜tool▁outputs▁end｜>' + content }}
    {%- else %}{{- '<｜Assistant｜>' + content.split('</think>')[-1] }}
    {%- endif %}
    {%- set results.open = false %}
    {{- '<｜end▁of▁sentence｜>' }}
  {%- endif %}
{%- endfor %}
{%- if results.open %}{{- '<｜tool▁outputs▁end｜>' }}
{%- elif add_generation_prompt %}{{- '<｜Assistant｜>' }}
{%- endif %}`
