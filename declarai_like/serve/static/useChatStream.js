import { useCallback, useEffect, useRef, useState } from 'react';

/**
 * Stream a chat completion into a component.
 *
 *     const { response, isStreaming, stream, error, stop } = useChatStream(client, { model: 'support' });
 *     <button onClick={() => stream([{ role: 'user', content: question }])}>Ask</button>
 *
 * `stream` never rejects: what went wrong is `error`, and it resolves to the text that arrived. A new `stream` ends the
 * one before it; so do `stop` and unmounting.
 */
export function useChatStream(client, defaults = {}) {
  const [response, setResponse] = useState('');
  const [isStreaming, setIsStreaming] = useState(false);
  const [error, setError] = useState(null);
  const current = useRef(null);
  const latest = useRef(defaults);

  useEffect(() => {
    latest.current = defaults;
  });

  const stop = useCallback(() => current.current?.stop(), []);

  useEffect(() => stop, [stop]);

  const stream = useCallback(
    async (messages, params = {}) => {
      stop();
      setResponse('');
      setError(null);
      setIsStreaming(true);
      const chunks = client.chatCompletionStream({ ...latest.current, ...params, messages });
      current.current = chunks;
      const isCurrent = () => current.current === chunks;
      try {
        for await (const chunk of chunks) {
          const content = chunk.choices[0]?.delta?.content;
          if (content && isCurrent()) setResponse((before) => before + content);
        }
      } catch (caught) {
        if (isCurrent() && caught.name !== 'AbortError') setError(caught);
      } finally {
        if (isCurrent()) setIsStreaming(false);
      }
      return chunks.response;
    },
    [client, stop],
  );

  return { response, isStreaming, stream, error, stop };
}
