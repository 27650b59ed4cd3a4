/** Chat templates of Microsoft's Phi. */

/** Phi-3: each message of the user is followed by the start of an answer. */
export const PHI_3: string = String.raw`
{{- bos_token }}
{%- for message in messages %}
  {%- if message.role == 'system' %}{{- '<|system|>\n' + message.content + '<|end|>\n' }}
  {%- elif message.role == 'user' %}{{- '<|user|>\n' + message.content + '<|end|>\n<|assistant|>\n' }}
  {%- elif message.role == 'assistant' %}{{- message.content + '<|end|>\n' }}
  {%- endif %}
{%- endfor %}`

export const PHI_35: string = String.raw`
{%- for message in messages %}
  {%- if message.role in ['user', 'assistant'] or (message.role == 'system' and message.content) %}
    {{- '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>\n' }}{%- endif %}`

/** Phi-4 (the reasoning ones): a thought and a solution, where nothing else is said. */
export const PHI_4: string = String.raw`
{%- set given = messages and messages[0].role == 'system' %}
{{- '<|im_start|>system<|im_sep|>' }}
{%- if given %}{{- messages[0].content }}
{%- else %}
  {{- 'You are Phi, a language model trained by Microsoft to help users. Your role as an assistant involves thoroughly ' }}
  {{- 'exploring questions through a systematic thinking process before providing the final precise and accurate solutions. ' }}
  {{- 'This requires engaging in a comprehensive cycle of analysis, summarizing, exploration, reassessment, reflection, ' }}
  {{- 'backtracing, and iteration to develop well-considered thinking process. Please structure your response into two main ' }}
  {{- 'sections: Thought and Solution using the specified format: <think> {Thought section} </think> {Solution section}. In ' }}
  {{- 'the Thought section, detail your reasoning process in steps. Each step should include detailed considerations such as ' }}
  {{- 'analysing questions, summarizing relevant findings, brainstorming new ideas, verifying the accuracy of the current ' }}
  {{- 'steps, refining any errors, and revisiting previous steps. In the Solution section, based on various attempts, ' }}
  {{- 'explorations, and reflections from the Thought section, systematically present the final solution that you deem ' }}
  {{- 'correct. The Solution section should be logical, accurate, and concise and detail necessary steps needed to reach the ' }}
  {{- 'conclusion. Now, try to solve the following question through the above guidelines:' }}
{%- endif %}
{{- '<|im_end|>' }}
{%- for message in (messages[1:] if given else messages) %}
  {%- if message.role == 'user' %}{{- '<|im_start|>user<|im_sep|>' + message.content + '<|im_end|>' }}
  {%- elif message.role == 'assistant' %}
    {{- '<|im_start|>assistant<|im_sep|>' }}
    {%- generation %}{{- message.content + '<|im_end|>' }}{%- endgeneration %}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant<|im_sep|>' }}{%- endif %}`
