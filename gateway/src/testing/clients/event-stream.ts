import { moved } from '../supergraphs/moves.ts';

export interface StreamRequest {
  query?: string;
  accept?: string;
  headers?: Record<string, string>;
  variables?: object;
  method?: 'GET' | 'POST';
  /** The query string of the URL, with its `?`. */
  search?: string;
}

/** Opens a stream of results over HTTP. Resolves once the response has started. */
export async function openStream(
  graphqlUrl: string,
  {
    query = moved,
    accept = 'text/event-stream',
    headers = {},
    variables = {},
    method = 'POST',
    search = '',
  }: StreamRequest = {},
) {
  const response = await fetch(`${graphqlUrl}${search}`, {
    method,
    headers: { accept, ...(method === 'POST' && { 'content-type': 'application/json' }), ...headers },
    ...(method === 'POST' && { body: JSON.stringify({ query, variables }) }),
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const readToEnd = async () => {
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) text += read.value;
    return text;
  };
  return {
    status: response.status,
    headers: response.headers,
    /** Resolves with the complete text, once the stream has ended. */
    end: readToEnd,
    /** Resolves with the response as JSON. A refusal is sent as JSON and not as a stream. */
    json: async () => JSON.parse(await readToEnd()),
    /** Resolves with the text so far, once it contains `part`. */
    async until(part: string) {
      while (!text.includes(part)) {
        const read = await reader?.read();
        if (!read || read.done) throw new Error(`the stream ended before ${part} came: ${text}`);
        text += read.value;
      }
      return text;
    },
    cancel: async () => void (await reader?.cancel()),
  };
}
