import { expect, it } from 'vitest';
import { isSignedByTwilio } from './twilio-signature.ts';

const fields = { CallSid: 'CA1234567890ABCDE', Digits: '1234', To: '+18005551212' };
const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';

// The examples in Twilio's documentation.
it.each([
  ['+14158675309', 'RSOYDt4T1cUTdK1PDd93/VVr8B8='],
  ['+14158675310', 'GvWf1cFY/Q7PnoempGyD5oXAezc='],
])('twilio signature: verifies that of the documentation, for %s', (from, signature) => {
  const form = new URLSearchParams({ ...fields, Caller: from, From: from });
  expect(isSignedByTwilio(signature, { authToken: '12345', url, form })).toBe(true);
  expect(isSignedByTwilio(signature, { authToken: '12345', url: url.replace('.com', '.com:443'), form })).toBe(true);
});

it.each([
  ['another token', { authToken: '12346' }],
  ['another URL', { url: `${url}&baz=3` }],
  ['another scheme', { url: url.replace('https', 'http') }],
  ['another parameter', { form: new URLSearchParams({ ...fields, Caller: '+1', From: '+14158675309' }) }],
  [
    'a further parameter',
    { form: new URLSearchParams({ ...fields, Caller: '+14158675309', From: '+14158675309', X: '' }) },
  ],
])('twilio signature: rejects %s', (_what, changed) => {
  const form = new URLSearchParams({ ...fields, Caller: '+14158675309', From: '+14158675309' });
  const given = { authToken: '12345', url, form, ...changed };
  expect(isSignedByTwilio('RSOYDt4T1cUTdK1PDd93/VVr8B8=', given)).toBe(false);
});

it.each(['', 'RSOYDt4T1cUTdK1PDd93/VVr8B8', 'rsoydt4t1cutdk1pdd93/vvr8b8=', '\u{1f600}'])(
  'twilio signature: rejects the text %j',
  (signature) => {
    const form = new URLSearchParams({ ...fields, Caller: '+14158675309', From: '+14158675309' });
    expect(isSignedByTwilio(signature, { authToken: '12345', url, form })).toBe(false);
  },
);
