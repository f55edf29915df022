// The calls that every SDK makes in the tests, so that the rows in the
// warehouse can be compared with them field by field.
export function calls(prefix) {
  const at = new Date('2026-01-02T03:04:05.678Z');
  return [
    { type: 'identify', userId: `${prefix}-ada`, traits: { email: 'ada@example.com', plan: 'pro', logins: 3, address: { city: 'London' } }, timestamp: at, messageId: `${prefix}-1` },
    { type: 'track', userId: `${prefix}-ada`, event: 'Order Completed', properties: { total: 19.99, quantity: 2, coupon: null, gift: true, items: [{ sku: 'a' }], shipping: { method: 'post' } }, timestamp: at, messageId: `${prefix}-2` },
    { type: 'page', userId: `${prefix}-ada`, category: 'Docs', name: 'Install', properties: { url: 'https://example.com/docs' }, timestamp: at, messageId: `${prefix}-3` },
    { type: 'screen', userId: `${prefix}-ada`, category: 'App', name: 'Start', properties: { variant: 'b' }, timestamp: at, messageId: `${prefix}-4` },
    { type: 'group', userId: `${prefix}-ada`, groupId: `${prefix}-acme`, traits: { name: 'Acme', seats: 12 }, timestamp: at, messageId: `${prefix}-5` },
    { type: 'alias', userId: `${prefix}-ada`, previousId: `${prefix}-anonymous`, timestamp: at, messageId: `${prefix}-6` },
    { type: 'track', anonymousId: `${prefix}-visitor`, event: '注文完了', properties: { total: 3 }, timestamp: at, messageId: `${prefix}-7` },
  ];
}
