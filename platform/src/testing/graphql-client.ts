export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows the fields that it requested
  data?: Record<string, any> | null;
  errors?: { message: string; path?: (string | number)[]; extensions?: { code?: string; [key: string]: unknown } }[];
}

export async function postGraphql(
  url: string,
  query: string,
  variables: object = {},
  authorization?: string,
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

/** Requests entities from a subgraph, as the gateway does. */
export function postEntities(
  url: string,
  representations: object[],
  selection: string,
  authorization?: string,
): Promise<Answer> {
  return postGraphql(
    url,
    `query ($representations: [_Any!]!) { _entities(representations: $representations) { ${selection} } }`,
    { representations },
    authorization,
  );
}
