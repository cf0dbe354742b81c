import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Client } from '../../../declarai_like/serve/static/declarai.js';
import { App } from './App.js';

// The page comes from another origin than the server, as a front end's own development server does.
const client = new Client({ baseUrl: new URLSearchParams(location.search).get('server') ?? '' });
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App client={client} />
  </StrictMode>,
);
