import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { App, loadFirst } from './app.tsx';
import { ApiFault } from './data/api.ts';
import './styles.css';
import './frame.css';
import './parts/parts.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A server that is away for a moment; a refusal stays one.
      retry: (count, error) => count < 2 && !(error instanceof ApiFault && error.status < 500),
      staleTime: 2_000,
      refetchOnWindowFocus: true,
    },
  },
});

const base = new URL(document.baseURI).pathname.replace(/\/$/, '');
loadFirst(location.pathname.slice(base.length) || '/');

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <Router base={base}>
        <App />
      </Router>
    </QueryClientProvider>
  </StrictMode>,
);
