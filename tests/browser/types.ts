// Checked by tsc, never run: what a user writes must pass, and what is wrong must not.
import { Client, StreamError, parseSSE } from '../../declarai_like/serve/static/declarai.js';
import { useChatStream } from '../../declarai_like/serve/static/useChatStream.js';

const client = new Client({ baseUrl: 'http://127.0.0.1:8000', token: 'secret', retries: 2 });

interface Recipe {
  title: string;
  minutes: number;
}

export async function calls(signal: AbortSignal): Promise<number> {
  const stream = client.task<Recipe>('cook', { of: 'apples' }, { frames: ['partial', 'raw'], signal });
  for await (const event of stream) {
    if (event.type === 'delta') event.parsed?.title?.toUpperCase();
    else if (event.type === 'done') event.value.minutes.toFixed();
    else await client.decide<Recipe>(event, { [event.pending[0]?.id ?? '']: { approve: { of: 'pears' } } }).result;
  }
  const recipe: Recipe = (await stream.result).value;

  for await (const chunk of client.chatCompletionStream({
    model: 'support',
    messages: [{ role: 'user', content: 'Hello' }],
    maxTokens: 500,
  })) {
    const content: string | null | undefined = chunk.choices[0]?.delta?.content;
    if (content && chunk.choices[0]?.finishReason === 'stop') break;
  }
  for await (const chunk of client.completionStream({ prompt: 'Once upon a time', model: 'any', maxTokens: 200 })) {
    chunk.choices[0]?.text.trim();
  }

  const chat = client.chat('Support', 'a1');
  const { value, finishReason } = await chat.send('Hello', { values: { product: 'P' } }).result;
  value.startsWith(finishReason ?? '');
  const said: string[] = (await chat.history()).map(({ role, content }) => `${role}: ${content}`);
  await chat.forget();
  return recipe.minutes + said.length;
}

export function hook(): string {
  const { response, isStreaming, stream, error, stop } = useChatStream(client, { model: 'support', maxTokens: 5 });
  void stream([{ role: 'user', content: 'Hello' }]);
  stop();
  return isStreaming ? response : (error?.message ?? '');
}

export async function wrong(): Promise<void> {
  // @ts-expect-error a model is needed
  client.chatCompletionStream({ messages: [] });
  // @ts-expect-error no such frame
  client.task('cook', {}, { frames: ['all'] });
  // @ts-expect-error a conversation has an id
  client.chat('Support');
  // @ts-expect-error no such decision
  client.decide({ run: 'r', round: 1 }, { call_0: { allow: true } });
  // @ts-expect-error errors are read, not written
  new StreamError('').status = 3;
  for await (const event of parseSSE(new Blob(['data: 1\n\n']).stream())) event.data.trim();
}
