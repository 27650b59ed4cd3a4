/** Chat templates of plain words: no markup of tokens, or hardly any. */

/** Alpaca's sections for each turn. */
export const ALPACA: string = String.raw`
{{- bos_token }}
{%- for message in messages %}
  {%- if message.role == 'system' and loop.first %}{{- message.content }}
  {%- elif message.role == 'user' %}{{- '### Instruction:\n' + message.content }}
  {%- elif message.role == 'assistant' %}{{- '### Response:\n' + message.content + eos_token }}
  {%- endif %}
  {%- if not loop.last %}{{- '\n\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '\n\n### Response:\n' }}{%- endif %}`

/** Metharme (Pygmalion), which plays a role where nothing else is said. */
export const METHARME: string = String.raw`
{{- bos_token }}
{%- set given = messages[0].role == 'system' %}
{{- '<|system|>' }}
{%- if given %}{{- messages[0].content }}
{%- else %}
  {{- 'Enter RP mode. You shall reply to the user while staying in character. Your responses must be detailed, creative, ' }}
  {{- 'immersive, and drive the scenario forward.' }}
{%- endif %}
{%- for message in (messages[1:] if given else messages) %}
  {%- if message.role == 'user' %}{{- '<|user|>' + message.content.strip() }}
  {%- elif message.role == 'assistant' %}{{- '<|model|>' + message.content.strip() }}
  {%- endif %}
{%- endfor %}
{{- '<|model|>' if add_generation_prompt else eos_token }}`

/** LLaVA's, after Vicuna's. */
export const LLAVA: string = String.raw`
{%- for message in messages %}
  {%- if message.role != 'system' %}{{- message.role.upper() + ': ' }}{%- endif %}
  {%- if message.role == 'assistant' %}{%- generation %}{{- message.content + ' ' }}{%- endgeneration %}
  {%- else %}{{- message.content + ' ' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- 'ASSISTANT:' }}{%- endif %}`
