/** What a server-sent event carries. `id` is the last one that was told, `event` is `'message'` unless named. */
export interface ServerSentEvent {
  event: string;
  data: string;
  id: string;
  retry: number | undefined;
}

/** Read server-sent events; throws when nothing has come for `idleSeconds` (without it: waits for ever). */
export function parseSSE(
  stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | string>,
  options?: { idleSeconds?: number },
): AsyncGenerator<ServerSentEvent, void, undefined>;

export type ErrorType = 'pending' | 'connection_error' | 'http_error' | 'protocol_error' | 'stream_interrupted' | (string & {});

export class StreamError extends Error {
  constructor(
    message: string,
    details?: Partial<Pick<StreamError, 'type' | 'status' | 'code' | 'retryable' | 'response' | 'cause'>>,
  );
  /** The server's word for it, or one of this module's own. */
  readonly type: ErrorType;
  /** The HTTP status, if there was one. */
  readonly status: number | null;
  readonly code: string | number | null;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** The text that had arrived. */
  readonly response: string;
  /** What waits, where the type is `'pending'`. */
  readonly pending?: PendingEvent;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export type Outcome = 'complete' | 'truncated' | 'filtered' | 'refused' | 'interrupted' | 'cancelled';
export type FinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls' | (string & {});
export type Frame = 'delta' | 'partial' | 'cumulative' | 'raw';

/** Some text has arrived. What the last three hold was asked for by `frames`. */
export interface DeltaEvent<T = unknown> {
  type: 'delta';
  id: string;
  delta: string;
  /** With `'partial'`: the value as far as it is known. */
  parsed?: Partial<T> | T | null;
  /** With `'cumulative'`: the text so far. */
  response?: string;
  /** With `'raw'`: the provider's chunk, as it came. */
  raw?: Record<string, unknown>;
}

/** The answer has ended. */
export interface DoneEvent<T = unknown> {
  type: 'done';
  id: string;
  value: T;
  response: string;
  model: string | null;
  outcome: Outcome;
  usage: Usage | null;
  finish_reason: FinishReason | null;
  finishReason: FinishReason | null;
}

/** A tool call that waits. `questions` are what the tool has asked, where the kind is `'input'`. */
export interface PendingCall {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
  why: string;
  questions?: { server: string; message: string; kind: 'form' | 'url' | 'model'; schema: JSONSchema | null; url: string | null }[];
}

/** The answer waits: for leave, for answers to a tool, or for somebody who knows how a call that was started ended. */
export interface PendingEvent {
  type: 'pending';
  id: string;
  outcome: 'pending';
  run: string;
  round: number;
  kind: 'approval' | 'input' | 'outcome';
  pending: PendingCall[];
}

/** What is decided about a call; new arguments take the place of the model's. */
export type Decision =
  | boolean
  | { approve: Record<string, unknown> }
  | { deny: string }
  | { provide: unknown }
  | { answer: unknown[] }
  | { rerun: true };

export type StreamEvent<T = unknown> = DeltaEvent<T> | DoneEvent<T> | PendingEvent;

/** What a provider's tool call brings, piece by piece. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function?: { name?: string; arguments?: string };
}

export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: number;
    delta: { role?: string; content?: string | null; refusal?: string | null; tool_calls?: ToolCallDelta[] };
    finish_reason: FinishReason | null;
    finishReason: FinishReason | null;
  }[];
  usage?: Usage | null;
}

export interface CompletionChunk {
  id: string;
  object: 'text_completion';
  created: number;
  model: string;
  choices: { index: number; text: string; finish_reason: FinishReason | null; finishReason: FinishReason | null }[];
  usage?: Usage | null;
}

/** How a stream in OpenAI's format ended: the text of its first choice, and what was told beside it. */
export interface CompletionOutcome {
  response: string;
  model: string | null;
  usage: Usage | null;
  finish_reason: FinishReason | null;
  finishReason: FinishReason | null;
}

/** One answer, read once. Leaving its loop, `abort()` and the caller's `signal` close the connection. */
export interface Stream<Item, Result> extends AsyncIterableIterator<Item> {
  /** How the answer ended; awaiting it reads what nobody has read. Rejects with what the loop throws. */
  readonly result: Promise<Result>;
  /** The text so far, of what this stream has read. */
  readonly response: string;
  /** Pass it as `resume` to get what comes after the last event. */
  readonly lastEventId: string | null;
  /** Pass it as `resume` to get all of the stream again; there before the first event, `null` until it was asked for. */
  readonly start: string | null;
  abort(reason?: unknown): void;
  /** Do what `abort` does, and tell the server that nobody will come back: the model stops at once. */
  stop(): void;
  next(): Promise<IteratorResult<Item, undefined>>;
  return(value?: unknown): Promise<IteratorResult<Item, undefined>>;
}

export interface StreamOptions {
  signal?: AbortSignal;
  /** Go on after this event, with the same arguments as before: `lastEventId` or `start` of the earlier stream. */
  resume?: string | null;
  /** How often in a row a dropped stream is asked for again; 5 unless told. */
  retries?: number;
  /** After how long a silence a connection counts as dropped; 60 unless told. */
  idleSeconds?: number;
}

export interface EventOptions extends StreamOptions {
  frames?: readonly Frame[];
}

export interface ChatMessage {
  role: 'user' | 'assistant' | (string & {});
  content: string;
}

export interface CompletionParams {
  model: string;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  stop?: string | string[];
  streamOptions?: { includeUsage?: boolean };
  /** Whatever else the server takes; camelCase names are sent in snake_case. */
  [name: string]: unknown;
}

export interface ChatCompletionParams extends CompletionParams {
  messages: readonly ChatMessage[];
}

export interface TextCompletionParams extends CompletionParams {
  prompt: string;
}

export type JSONSchema = Record<string, unknown>;

export interface TaskInfo {
  name: string;
  streaming: boolean;
  parameters: JSONSchema;
  /** `null` for a task that answers with text. */
  returns: JSONSchema | null;
}

export interface ChatInfo {
  name: string;
  greeting: string | null;
  values: JSONSchema;
}

export interface ModelInfo {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

export interface ClientOptions extends Pick<StreamOptions, 'retries' | 'idleSeconds'> {
  /** The server's address; in a browser `''`, the default, is the page's own. */
  baseUrl?: string | URL;
  token?: string | null;
  fetch?: typeof globalThis.fetch;
}

type CallOptions = Pick<StreamOptions, 'signal'>;

/** One conversation with a chat. The server keeps what was said. */
export interface Chat<T = string> {
  readonly name: string;
  readonly session: string;
  /** Say something; `values` fill the system prompt, `files` go with the message. */
  send(
    message: string,
    options?: EventOptions & { values?: Record<string, unknown>; files?: readonly Blob[]; pending?: 'error' | 'deny' },
  ): Stream<StreamEvent<T>, DoneEvent<T>>;
  history(options?: CallOptions): Promise<ChatMessage[]>;
  /** Make the server forget this conversation. */
  forget(options?: CallOptions): Promise<void>;
}

export class Client {
  constructor(options?: ClientOptions);
  models(options?: CallOptions): Promise<ModelInfo[]>;
  tasks(options?: CallOptions): Promise<TaskInfo[]>;
  chats(options?: CallOptions): Promise<ChatInfo[]>;
  /** Call a task with its arguments by name. */
  task<T = unknown>(
    name: string,
    args?: Record<string, unknown>,
    options?: EventOptions,
  ): Stream<StreamEvent<T>, DoneEvent<T>>;
  /** Decide about tool calls that wait, and get the rest of the answer. */
  decide<T = unknown>(
    waiting: Pick<PendingEvent, 'run' | 'round'>,
    decisions: Record<string, Decision>,
    options?: EventOptions,
  ): Stream<StreamEvent<T>, DoneEvent<T>>;
  /** A conversation, by an id of 1 to 64 letters, digits, `_` and `-`. Who knows it can read it. */
  chat<T = string>(name: string, session: string): Chat<T>;
  chatCompletionStream(
    params: ChatCompletionParams,
    options?: StreamOptions,
  ): Stream<ChatCompletionChunk, CompletionOutcome>;
  completionStream(params: TextCompletionParams, options?: StreamOptions): Stream<CompletionChunk, CompletionOutcome>;
}
