import { useState } from 'react';
import { Client } from '../../../declarai_like/serve/static/declarai.js';
import { useChatStream } from '../../../declarai_like/serve/static/useChatStream.js';

function Question({ client }: { client: Client }) {
  const [question, setQuestion] = useState('');
  const { response, isStreaming, stream, error, stop } = useChatStream(client, { model: 'Talker' });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void stream([{ role: 'user', content: question }]);
      }}
    >
      <label>
        Question <input name="question" value={question} onChange={(event) => setQuestion(event.target.value)} />
      </label>
      <button>Ask</button>
      <button type="button" onClick={stop} disabled={!isStreaming}>
        Stop
      </button>
      <output aria-busy={isStreaming}>{response}</output>
      {error && <p role="alert">{`${error.type}: ${error.message}`}</p>}
    </form>
  );
}

export function App({ client }: { client: Client }) {
  const [shown, setShown] = useState(true);
  return (
    <>
      <button onClick={() => setShown(!shown)}>Toggle</button>
      {shown && <Question client={client} />}
    </>
  );
}
