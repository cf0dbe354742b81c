import type { ChatCompletionParams, ChatMessage, Client, StreamError } from './declarai.js';

type Params = Partial<Omit<ChatCompletionParams, 'messages'>>;

export interface ChatStream {
  /** The text so far. */
  response: string;
  isStreaming: boolean;
  /** Ask; `params` go before those of the hook. Never rejects; resolves to the text that arrived. */
  stream: (messages: readonly ChatMessage[], params?: Params) => Promise<string>;
  /** Why the last stream failed; `null` while it has not, and when it was stopped. */
  error: StreamError | null;
  /** End the stream that runs; the text that arrived stays. */
  stop: () => void;
}

/** Stream chat completions into a component. `defaults` (the `model`, say) may be a new object at each render. */
export function useChatStream(client: Client, defaults?: Params & { model?: string }): ChatStream;
